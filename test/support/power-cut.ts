// What a disk holds after the power was cut: what was synced is there, and of everything else nobody knows. POSIX
// promises no more than this: bytes of a file by a sync of that file, a name by a sync of its folder, both finished
// before the cut. File systems keep more, each in a way of its own, so there are several ways to lose the rest.

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../soak/random.ts'
import { TOP } from './disk-record.ts'
import type { DiskChange, DiskRecord, NodeId } from './disk-record.ts'

/** What becomes of what was not synced. */
export type Loss = {
  /** in order: up to some moment, since the last sync of anything, as a journal keeps them (ext4, XFS). */
  readonly names: 'lost' | 'kept' | 'some' | 'in order'
  /** zeros: files have their size and no bytes; some: of each write some sectors. */
  readonly bytes: 'lost' | 'kept' | 'zeros' | 'some'
}

/** From its path. Folders come before what is in them. */
export type Tree = ReadonlyMap<string, Buffer | 'folder' | 'pipe'>

/** `cut`: bytes of the log; what had ended by then was done. Everything is there with `kept` and `kept`. */
export function diskAfterCut(
  record: DiskRecord,
  input: { readonly cut: number; readonly loss: Loss; readonly random: Random },
): Tree {
  const disk = new Disk(record, input)
  const tree = new Map<string, Buffer | 'folder' | 'pipe'>()
  const add = (path: string, id: NodeId): void => {
    const node = record.nodes[id]!
    if (node === 'pipe') return void tree.set(path, node)
    if (Buffer.isBuffer(node)) return void tree.set(path, disk.bytesOf(id, node))
    if (path !== '') tree.set(path, 'folder')
    for (const [name, named] of disk.namesOf(id, node)) add(join(path, name), named)
  }
  add('', TOP)
  return tree
}

/** `name` below `top` is replaced. */
export function writeTree(tree: Tree, top: string, name: string): void {
  rmSync(join(top, name), { recursive: true, force: true })
  for (const [path, node] of tree)
    if (node === 'folder') mkdirSync(join(top, path), { mode: 0o700 })
    else if (node === 'pipe') execFileSync('mkfifo', [join(top, path)])
    else writeFileSync(join(top, path), node, { mode: 0o600 })
}

type Of<Kind extends DiskChange['kind']> = Extract<DiskChange, { kind: Kind }>

class Disk {
  readonly #changes = new Map<NodeId, DiskChange[]>()
  readonly #loss: Loss
  readonly #random: Random
  /** A disk writes whole sectors, old ones of 512 bytes, those of today of 4096. */
  readonly #sectorBytes: number
  readonly #chance: number
  /** Of names that a journal has written. */
  readonly #journalEnd: number

  constructor(
    { changes }: DiskRecord,
    { cut, loss, random }: { readonly cut: number; readonly loss: Loss; readonly random: Random },
  ) {
    this.#loss = loss
    this.#random = random
    this.#sectorBytes = random.pick([512, 4096])
    this.#chance = random.pick([0.1, 0.5, 0.9])
    const done = changes.filter(({ end }) => end <= cut)
    for (const change of done) {
      const those = this.#changes.get(change.node) ?? []
      this.#changes.set(change.node, [...those, change])
    }
    const written = Math.max(0, ...done.filter(isSync).map(({ begin }) => begin))
    const later = done.filter(({ end }) => end > written).map(({ end }) => end)
    this.#journalEnd = random.pick([written, ...later])
  }

  namesOf(id: NodeId, before: ReadonlyMap<string, NodeId>): ReadonlyMap<string, NodeId> {
    const names = new Map(before)
    const { synced, loose } = this.#split(id)
    for (const change of [...synced, ...loose.filter((each) => this.#keepsNames(each))]) {
      if (change.kind !== 'names') continue
      for (const [name, node] of change.names)
        if (node === undefined) names.delete(name)
        else names.set(name, node)
    }
    return names
  }

  bytesOf(id: NodeId, before: Buffer): Buffer {
    const { synced, loose } = this.#split(id)
    const content = new Content(before)
    for (const change of synced) content.take(change)
    const { bytes } = this.#loss
    if (bytes === 'kept') for (const change of loose) content.take(change)
    if (bytes === 'zeros') content.grow(sizeAfter(content.sizeBytes, loose))
    if (bytes === 'some') this.#takeSome(content, loose)
    return content.bytes
  }

  /** What was there before the last sync of it began is on the disk. */
  #split(id: NodeId): {
    readonly synced: readonly DiskChange[]
    readonly loose: readonly DiskChange[]
  } {
    const changes = this.#changes.get(id) ?? []
    const syncedUntil = Math.max(-1, ...changes.filter(isSync).map(({ begin }) => begin))
    return {
      synced: changes.filter(({ end }) => end <= syncedUntil),
      loose: changes.filter(({ end }) => end > syncedUntil),
    }
  }

  #keepsNames({ end }: DiskChange): boolean {
    const { names } = this.#loss
    if (names === 'in order') return end <= this.#journalEnd
    return names === 'kept' || (names === 'some' && this.#random.chance(this.#chance))
  }

  #takeSome(content: Content, loose: readonly DiskChange[]): void {
    const random = this.#random
    if (random.chance(0.5)) content.grow(sizeAfter(content.sizeBytes, loose))
    for (const change of loose) {
      if (change.kind === 'size' && random.chance(this.#chance)) content.take(change)
      if (change.kind !== 'write') continue
      for (const sector of sectorsOf(change, this.#sectorBytes))
        if (random.chance(this.#chance)) content.take(sector)
    }
  }
}

const isSync = ({ kind }: DiskChange): boolean => kind === 'sync'

function sizeAfter(sizeBytes: number, changes: readonly DiskChange[]): number {
  let size = sizeBytes
  for (const change of changes) {
    if (change.kind === 'size') size = change.sizeBytes
    if (change.kind === 'write') size = Math.max(size, change.at + change.bytes.length)
  }
  return size
}

function* sectorsOf(write: Of<'write'>, sectorBytes: number): Generator<Of<'write'>> {
  for (let done = 0; done < write.bytes.length;) {
    const at = write.at + done
    const next = done + sectorBytes - (at % sectorBytes)
    yield { ...write, at, bytes: write.bytes.subarray(done, next) }
    done = next
  }
}

/** Of one file, in room that doubles: a file is written in thousands of pieces. */
class Content {
  #room: Buffer
  sizeBytes: number

  constructor(before: Buffer) {
    this.#room = Buffer.from(before)
    this.sizeBytes = before.length
  }

  take(change: DiskChange): void {
    if (change.kind === 'size') {
      // What is cut off is zeros when the file grows again.
      if (change.sizeBytes < this.sizeBytes) this.#room.fill(0, change.sizeBytes)
      this.sizeBytes = 0
      this.grow(change.sizeBytes)
    }
    if (change.kind !== 'write') return
    this.grow(change.at + change.bytes.length)
    change.bytes.copy(this.#room, change.at)
  }

  grow(sizeBytes: number): void {
    this.sizeBytes = Math.max(this.sizeBytes, sizeBytes)
    if (this.sizeBytes <= this.#room.length) return
    const room = Buffer.alloc(this.sizeBytes * 2)
    this.#room.copy(room)
    this.#room = room
  }

  get bytes(): Buffer {
    return this.#room.subarray(0, this.sizeBytes)
  }
}
