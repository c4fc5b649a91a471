// An installation whose archives are read back: what the tests of `cat` and of partial restores share.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openServices } from '../../src/compose.ts'
import { checksumOf, seekTableBytes } from '../../src/pack/seek-table.ts'
import { hasFrameChecksum } from '../../src/pack/frame-bounds.ts'
import { decompressFrame } from '../../src/pack/zstd.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { folder, makeTree, removeTree } from './tree.ts'
import { QUICK, World } from './world.ts'
import { startFaultProxy } from './fault-proxy.ts'
import type { Closable } from '../../src/cli/command.ts'
import type { FaultProxy, FaultRule } from './fault-proxy.ts'
import type { OpenStorage } from '../../src/operations/server-pool.ts'
import type { Services } from '../../src/operations/services.ts'
import type { TreeEntry } from './tree.ts'

/** What a server was asked for; undefined: a whole object. */
export type SeenRead = { readonly server: number; readonly sizeBytes: number | undefined }

export class ReadBack {
  readonly reads: SeenRead[] = []
  readonly proxies: FaultProxy[] = []
  readonly #world: World
  #key = ''

  private constructor(world: World) {
    this.#world = world
  }

  /** Each of `servers` holds a copy of the one archive, "latest:docs": S3 behind a proxy, or a directory. */
  static async make(input: {
    readonly tree: readonly TreeEntry[]
    readonly servers?: readonly ('s3' | 'directory')[]
    readonly env?: Readonly<Record<string, string>>
  }): Promise<ReadBack> {
    const { tree, servers = ['s3'], env = {} } = input
    const world = await World.make(servers.map(() => ({})))
    const made = new ReadBack(world)
    for (const [index, kind] of servers.entries()) await made.#setUp(index, kind)
    Object.assign(world.env, { COPIES: String(servers.length) }, env)
    makeTree(world.source, [...tree, folder('.')])
    const report = await world.run()
    if (report.outcome !== 'ok') throw new Error(JSON.stringify(report))
    made.#key = report.archives[0]!.key
    return made
  }

  get source(): string {
    return this.#world.source
  }

  get folder(): string {
    return this.#world.folder
  }

  get env(): Record<string, string> {
    return this.#world.env
  }

  async open(): Promise<Services & Closable> {
    const services = await openServices({ configFile: await this.#world.writeEnv() }, QUICK)
    return { ...services, openStorage: async () => this.#watched(await services.openStorage()) }
  }

  /** From the next request on. */
  fail(server: number, ...rules: FaultRule[]): void {
    this.proxies[server - 1]!.add(...rules)
  }

  get file(): string {
    return this.#key.slice(this.#key.lastIndexOf('/') + 1)
  }

  /** Of a server that is a directory; 'spool' with LOCAL_KEEP. */
  pathOf(where: number | 'spool'): string {
    return where === 'spool'
      ? join(this.folder, 'data/spool', this.file)
      : join(this.folder, `store-${where}`, this.#key)
  }

  /** Flips a bit in the frame that holds this byte of the member, header included. */
  async damage(where: number | 'spool', path: string, atBytes = 0): Promise<void> {
    const bytes = readFileSync(this.pathOf(where))
    const place = await this.#frameOf(bytes, path, atBytes)
    bytes[place.fileOffsetBytes + (place.storedBytes >> 1)]! ^= 0x10
    writeFileSync(this.pathOf(where), bytes)
  }

  /** The same in noise, with the right checksums in the frame and the seek table: zstd and the table notice nothing. */
  async forge(where: number, path: string, atBytes: number): Promise<void> {
    const bytes = readFileSync(this.pathOf(where))
    const place = await this.#frameOf(bytes, path, atBytes)
    const content = await forgeFrame(bytes, place)
    const entryAt = bytes.length - seekTableBytes(bytes.readUInt32LE(bytes.length - 9)) + 8
    bytes.writeUInt32LE(checksumOf(content), entryAt + 12 * place.number + 8)
    if (place.checksum === checksumOf(content)) throw new Error('no change')
    writeFileSync(this.pathOf(where), bytes)
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.filter(Boolean).map((proxy) => proxy.close()))
    removeTree(this.source)
    await this.#world.close()
  }

  async #frameOf(bytes: Buffer, path: string, atBytes: number) {
    const tail = await openArchiveTail(
      async (offset, size) => bytes.subarray(offset, offset + size),
      bytes.length,
    )
    const [member, frames] = [await tail.findMember(path), await tail.frames()]
    return frames.frameAt(member!.offsetBytes + atBytes)
  }

  async #setUp(index: number, kind: 's3' | 'directory'): Promise<void> {
    const world = this.#world
    const [number, model] = [index + 1, world.models[index]!]
    if (kind === 's3') {
      const proxy = await startFaultProxy({ target: model.endpoint })
      this.proxies[index] = proxy
      return world.configure(number, proxy.endpoint, model)
    }
    const directory = join(world.folder, `store-${number}`)
    mkdirSync(directory)
    for (const name of Object.keys(world.env))
      if (name.startsWith(`S3_SERVER_${number}_`)) delete world.env[name]
    world.env[`S3_SERVER_${number}_ENDPOINT`] = `file://${directory}`
  }

  #watched(open: OpenStorage): OpenStorage {
    return (server, isKnown) => {
      const storage = open(server, isKnown)
      const read: typeof storage.read = (key, range, signal) => {
        this.reads.push({ server: server.number, sizeBytes: range?.sizeBytes })
        return storage.read(key, range, signal)
      }
      return new Proxy(storage, {
        get: (target, name) => {
          if (name === 'read') return read
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value
        },
      })
    }
  }
}

/** Another byte in the noise of a frame, with the right checksum in the frame: zstd notices nothing. Its content now. */
export async function forgeFrame(
  bytes: Buffer,
  { fileOffsetBytes, storedBytes }: { fileOffsetBytes: number; storedBytes: number },
): Promise<Buffer> {
  const frame = bytes.subarray(fileOffsetBytes, fileOffsetBytes + storedBytes)
  frame[storedBytes >> 1]! ^= 0x10
  const content = await decompressFrame(withoutChecksum(frame))
  if (hasFrameChecksum(frame)) frame.writeUInt32LE(checksumOf(content), storedBytes - 4)
  return content
}

/** The frame's own, where it has one: bit 2 of the descriptor, and the last four bytes. */
function withoutChecksum(frame: Buffer): Buffer {
  if (!hasFrameChecksum(frame)) return frame
  const bare = Buffer.from(frame.subarray(0, -4))
  bare[4]! &= ~0x04
  return bare
}
