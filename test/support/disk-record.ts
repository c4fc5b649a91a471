// What a program did to a folder, call by call, as strace saw it: every byte that it wrote there, every name that it
// made or took away, and what it synced when. power-cut.ts makes of it what a disk would hold.
//
// A call on that folder which is not known here ends the test, so that nothing can be missed in silence. SQLite's
// `-shm` is left out: it is memory that processes share, and made anew by the first that opens the database.

import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { readCalls } from './strace-calls.ts'
import type { TracedCall } from './strace-calls.ts'

/** A file or a folder, whatever its names are. */
export type NodeId = number

export type DiskChange = {
  /** Bytes of the log: what ended at or before the beginning of another call was done before it. */
  readonly begin: number
  readonly end: number
  readonly node: NodeId
} & (
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'size'; readonly sizeBytes: number }
  /** Of a folder: undefined takes a name away. */
  | { readonly kind: 'names'; readonly names: ReadonlyMap<string, NodeId | undefined> }
  /** By the path that it had then, from the top. */
  | { readonly kind: 'sync'; readonly path: string }
)

/** Bytes of a file, names of a folder, or a named pipe, of which a disk holds the name alone. */
export type DiskNode = Buffer | ReadonlyMap<string, NodeId> | 'pipe'

export type DiskRecord = {
  readonly changes: readonly DiskChange[]
  /** As they were on the disk before; new ones are empty. */
  readonly nodes: readonly DiskNode[]
  /** What standard output and error said. */
  readonly said: readonly { readonly end: number; readonly text: string }[]
  /** Of the log. */
  readonly endsAt: number
}

/** The folder that holds the one that is watched: who makes that must sync this. */
export const TOP: NodeId = 0

/** What lies in `name` below `top`, before anything is done there: all of it is on the disk. */
export function readDisk(top: string, name: string): readonly DiskNode[] {
  const nodes: DiskNode[] = []
  const add = (path: string, only?: string): NodeId => {
    const id = nodes.push(Buffer.alloc(0)) - 1
    if (statSync(path).isFile()) nodes[id] = readFileSync(path)
    else {
      const names = readdirSync(path).filter((each) => !isLeftOut(each))
      const wanted = only === undefined ? names : names.filter((each) => each === only)
      nodes[id] = new Map(wanted.map((each) => [each, add(join(path, each))]))
    }
    return id
  }
  add(top, name)
  return nodes
}

/** `before`: of `readDisk`, before the program ran. */
export function readRecord(input: {
  readonly logPath: string
  readonly top: string
  readonly name: string
  readonly before: readonly DiskNode[]
}): DiskRecord {
  const recorder = new Recorder(input.top, input.name, input.before)
  const { calls, endsAt } = readCalls(input.logPath)
  for (const call of calls) recorder.take(call)
  const { changes, nodes, said } = recorder
  return { changes, nodes, said, endsAt }
}

/** What strace has to show of a program. Others of the same kind that touch the folder are told. */
export const CALLS_THAT_CHANGE = [
  ...['open', 'openat', 'openat2', 'creat', 'close', 'dup', 'dup2', 'dup3', 'lseek'],
  ...[
    'write',
    'writev',
    'pwrite64',
    'pwritev',
    'pwritev2',
    'sendfile',
    'copy_file_range',
    'splice',
  ],
  ...['truncate', 'ftruncate', 'fallocate', 'mmap', 'fsync', 'fdatasync', 'sync_file_range'],
  ...[
    'rename',
    'renameat',
    'renameat2',
    'link',
    'linkat',
    'symlink',
    'symlinkat',
    'mknod',
    'mknodat',
  ],
  ...[
    'unlink',
    'unlinkat',
    'rmdir',
    'mkdir',
    'mkdirat',
    'io_uring_setup',
    'sync',
    'syncfs',
    'execve',
  ],
]

/** Would be said to be on the disk by these, and nothing here knows that. */
const NEVER = new Set(['io_uring_setup', 'sync', 'syncfs'])

type OpenFile = { readonly node: NodeId; at: number; readonly appends: boolean }

const isFolder = (node: DiskNode): node is ReadonlyMap<string, NodeId> =>
  !Buffer.isBuffer(node) && node !== 'pipe'

const isLeftOut = (name: string): boolean => name.endsWith('-shm')

class Recorder {
  readonly changes: DiskChange[] = []
  readonly nodes: DiskNode[]
  readonly said: { end: number; text: string }[] = []
  readonly #tops: readonly string[]
  readonly #name: string
  readonly #sizes: number[]
  readonly #names: Map<string, NodeId>[]
  readonly #open = new Map<number, OpenFile>()
  readonly #pipes = new Set<string>()
  #first: string | undefined
  /** Programs that it ran: their descriptors are numbers of their own. */
  readonly #openOfOthers = new Map<string, Map<number, OpenFile>>()

  constructor(top: string, name: string, before: readonly DiskNode[]) {
    this.nodes = [...before]
    this.#tops = [realpathSync(top), top]
    this.#name = name
    this.#sizes = before.map((node) => (Buffer.isBuffer(node) ? node.length : 0))
    this.#names = before.map((node) => (isFolder(node) ? new Map(node) : new Map<string, NodeId>()))
  }

  take(call: TracedCall): void {
    if (call.result < 0) return
    if (call.name === 'execve') {
      this.#first ??= call.thread
      if (call.thread !== this.#first) this.#openOfOthers.set(call.thread, new Map())
      return
    }
    if (NEVER.has(call.name)) throw unknown(call)
    if (call.name.startsWith('open') || call.name === 'creat') return this.#opened(call)
    if (call.fd !== undefined && !/at2?$/.test(call.name)) return this.#onFile(call, call.fd)
    const paths = call.paths.map((path) => this.#within(path))
    if (paths.every((path) => path === undefined)) return
    if (paths.some((path) => path === undefined)) throw unknown(call)
    this.#named(call, paths as readonly string[])
  }

  #opened(call: TracedCall): void {
    const path = this.#within(call.resultPath)
    const open = this.#openOf(call)
    // A number that is given again was closed before.
    open.delete(call.result)
    if (path === undefined || this.#isNoFile(path)) return
    if (/O_SYNC|O_DSYNC/.test(call.text)) throw unknown(call)
    const isNew = call.text.includes('O_TMPFILE')
    const found = isNew ? undefined : this.#find(path)
    const node = found ?? this.#make(Buffer.alloc(0))
    if (found === undefined && !isNew) {
      if (!call.text.includes('O_CREAT')) throw unknown(call)
      this.#nameNode(call, path, node)
    } else if (call.text.includes('O_TRUNC') && this.#sizes[node]! > 0)
      this.#change(call, { kind: 'size', node, sizeBytes: 0 })
    open.set(call.result, { node, at: 0, appends: call.text.includes('O_APPEND') })
  }

  #onFile(call: TracedCall, fd: number): void {
    const path = this.#within(call.fdPath)
    const open = this.#openOf(call)
    if (path === undefined) {
      if (fd <= 2 && call.bytes !== undefined) this.#hear(call)
      if (open.has(fd) && call.name !== 'mmap') throw unknown(call)
      return
    }
    if (this.#isNoFile(path)) return
    const file = open.get(fd)
    if (file === undefined) throw unknown(call)
    const { node } = file
    switch (call.name) {
      case 'close':
        return void open.delete(fd)
      case 'write':
      case 'writev':
        if (file.appends) file.at = this.#sizes[node]!
        this.#write(call, node, file.at)
        file.at += call.result
        return
      case 'pwrite64':
      case 'pwritev':
        return this.#write(call, node, Number(/, (\d+)$/.exec(call.text)?.[1]))
      case 'ftruncate':
        return this.#change(call, { kind: 'size', node, sizeBytes: numberAfter(call) })
      case 'fsync':
      case 'fdatasync':
        return this.#change(call, { kind: 'sync', node, path })
      case 'mmap':
        // Read by it, or a copy of its own.
        if (!call.text.includes('PROT_WRITE') || call.text.includes('MAP_PRIVATE')) return
        throw unknown(call)
      default:
        throw unknown(call)
    }
  }

  #isNoFile(path: string): boolean {
    return isLeftOut(path) || this.#pipes.has(path)
  }

  #openOf({ thread }: TracedCall): Map<number, OpenFile> {
    return this.#openOfOthers.get(thread) ?? this.#open
  }

  #hear(call: TracedCall): void {
    this.said.push({ end: call.end, text: call.bytes!.subarray(0, call.result).toString() })
  }

  #write(call: TracedCall, node: NodeId, at: number): void {
    const bytes = call.bytes?.subarray(0, call.result)
    if (bytes?.length !== call.result || !Number.isSafeInteger(at)) throw unknown(call)
    this.#change(call, { kind: 'write', node, at, bytes })
  }

  #named(call: TracedCall, [path = '', to]: readonly string[]): void {
    if (isLeftOut(path)) return
    switch (call.name) {
      case 'mknod':
      case 'mknodat':
        if (!call.text.includes('S_IFIFO')) throw unknown(call)
        this.#pipes.add(path)
        return this.#nameNode(call, path, this.#make('pipe'))
      case 'mkdir':
      case 'mkdirat':
        return this.#nameNode(call, path, this.#make(new Map()))
      case 'unlink':
      case 'unlinkat':
      case 'rmdir':
        return this.#nameNode(call, path, undefined)
      case 'link':
      case 'linkat':
        return this.#nameNode(call, to!, this.#find(path))
      case 'rename':
      case 'renameat':
      case 'renameat2': {
        // Both names at once; from folder to folder nothing of ours goes.
        const node = this.#find(path)
        const [folder, name] = this.#spotOf(path)
        const [toFolder, toName] = this.#spotOf(to!)
        if (folder !== toFolder || node === undefined) throw unknown(call)
        const names = new Map<string, NodeId | undefined>([
          [name, undefined],
          [toName, node],
        ])
        return this.#change(call, { kind: 'names', node: folder, names })
      }
      default:
        throw unknown(call)
    }
  }

  #nameNode(call: TracedCall, path: string, node: NodeId | undefined): void {
    const [folder, name] = this.#spotOf(path)
    this.#change(call, { kind: 'names', node: folder, names: new Map([[name, node]]) })
  }

  #change({ begin, end }: TracedCall, change: Unplaced): void {
    this.changes.push({ ...change, begin, end })
    const { node } = change
    if (change.kind === 'size') this.#sizes[node] = change.sizeBytes
    if (change.kind === 'write')
      this.#sizes[node] = Math.max(this.#sizes[node]!, change.at + change.bytes.length)
    if (change.kind !== 'names') return
    for (const [name, named] of change.names)
      if (named === undefined) this.#names[node]!.delete(name)
      else this.#names[node]!.set(name, named)
  }

  #make(empty: DiskNode): NodeId {
    this.#sizes.push(0)
    this.#names.push(new Map())
    return this.nodes.push(empty) - 1
  }

  /** From the top: '' is the top itself; undefined: not there. */
  #within(path: string | undefined): string | undefined {
    const plain = path?.replace(/( \(deleted\)|\(deleted\))$/, '')
    if (plain === undefined) return undefined
    for (const top of this.#tops) {
      const below = relative(top, plain)
      if (below === '' || below === this.#name || below.startsWith(`${this.#name}/`)) return below
    }
    return undefined
  }

  #find(path: string): NodeId | undefined {
    let node: NodeId | undefined = TOP
    for (const name of path.split('/').filter((each) => each !== ''))
      node = node === undefined ? undefined : this.#names[node]!.get(name)
    return node
  }

  #spotOf(path: string): [NodeId, string] {
    const names = path.split('/')
    const name = names.pop()!
    const folder = this.#find(names.join('/'))
    if (folder === undefined) throw new Error(`${path} is in no folder that is known`)
    return [folder, name]
  }
}

type Unplaced = DiskChange extends infer Each
  ? Each extends DiskChange
    ? Omit<Each, 'begin' | 'end'>
    : never
  : never

/** `ftruncate(3<...>, 4096` */
function numberAfter(call: TracedCall): number {
  const found = /, (\d+)$/.exec(call.text)
  if (found === null) throw unknown(call)
  return Number(found[1])
}

function unknown({ name, text, fdPath, paths }: TracedCall): Error {
  return new Error(`a call that nobody here knows: ${name}(${text}) on ${fdPath ?? paths.join()}`)
}
