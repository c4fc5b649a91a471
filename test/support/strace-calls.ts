// The log of strace, read as calls: who began one when and who ended it when, with paths and bytes as they were.
// The log is that of `traced` with `isWhole`: every string in hex and uncut, so none holds a quote or a bracket.

import { readFileSync } from 'node:fs'

export type TracedCall = {
  readonly name: string
  readonly thread: string
  /** Bytes of the log in front of its beginning, and up to its end. */
  readonly begin: number
  readonly end: number
  readonly result: number
  /** Of the descriptor that it returned. */
  readonly resultPath: string | undefined
  /** Its first argument, if that is a descriptor, and the path of that. */
  readonly fd: number | undefined
  readonly fdPath: string | undefined
  /** Its arguments that are paths, from the root. */
  readonly paths: readonly string[]
  /** What it wrote; of several buffers all. */
  readonly bytes: Buffer | undefined
  /** Its arguments without the strings. */
  readonly text: string
}

/** In the order in which they ended: then their effect was there for certain. */
export function readCalls(logPath: string): {
  readonly calls: readonly TracedCall[]
  readonly endsAt: number
} {
  // One byte is one character: only so positions of the text are those of the file.
  const log = readFileSync(logPath, 'latin1')
  const begun = new Map<string, { readonly begin: number; readonly text: string }>()
  const calls: TracedCall[] = []
  for (let at = 0; at < log.length;) {
    const lineEnd = log.indexOf('\n', at)
    // A line that is not whole is of a call that had not ended.
    if (lineEnd === -1) break
    const line = log.slice(at, lineEnd)
    const begin = at
    const end = lineEnd + 1
    at = end
    const thread = /^(\d+) +/.exec(line)
    if (thread === null) continue
    const text = line.slice(thread[0].length)
    if (text.endsWith(UNFINISHED)) {
      begun.set(thread[1]!, { begin, text: text.slice(0, -UNFINISHED.length).trimEnd() })
    } else if (text.startsWith('<... ')) {
      const first = begun.get(thread[1]!)
      if (first === undefined) continue
      const rest = text.slice(text.indexOf(' resumed>') + ' resumed>'.length)
      add(calls, first.text + rest, { thread: thread[1]!, begin: first.begin, end })
    } else add(calls, text, { thread: thread[1]!, begin, end })
  }
  return { calls: calls.toSorted((a, b) => happensAt(a) - happensAt(b)), endsAt: log.length }
}

/** The number that a call of `close` gives back may be another file's before it ended. */
function happensAt({ name, begin, end }: TracedCall): number {
  return name === 'close' ? begin : end
}

const UNFINISHED = '<unfinished ...>'

function add(
  calls: TracedCall[],
  line: string,
  place: Pick<TracedCall, 'thread' | 'begin' | 'end'>,
): void {
  const close = line.lastIndexOf(') ')
  const result = /^\) += (-?\d+|0x[0-9a-f]+|\?)(?:<([^>]*)>)?/.exec(line.slice(close))
  const open = line.indexOf('(')
  // Signals, and the ends of threads.
  if (result === null || open === -1 || !/^\w+$/.test(line.slice(0, open))) return
  const name = line.slice(0, open)
  // A killed thread has no result: nobody knows whether it was done.
  if (result[1] === '?') return
  const pieces = line.slice(open + 1, close).split('"')
  const strings = pieces.filter((_, index) => index % 2 === 1)
  const text = pieces.filter((_, index) => index % 2 === 0).join('""')
  const [first] = /^(?:\d+|AT_FDCWD)<[^>]*>/.exec(text) ?? []
  const folders = [...text.matchAll(/(?:^|, )(\d+|AT_FDCWD)<([^>]*)>/g)].map((each) => each[2]!)
  const isWrite = /^p?writev?\d*$/.test(name)
  const fd = name === 'mmap' ? / (\d+)<([^>]*)>/.exec(text) : /^(\d+)<([^>]*)>/.exec(first ?? '')
  calls.push({
    ...{ ...place, name, text: text.replace(/<[^>]*>/g, '') },
    result: Number(result[1]),
    resultPath: result[2] === undefined ? undefined : fromHex(result[2]).toString(),
    fd: fd === null ? undefined : Number(fd[1]),
    fdPath: fd === null ? undefined : fromHex(fd[2]!).toString(),
    paths: isWrite ? [] : pathsOf(strings, folders),
    bytes: isWrite ? Buffer.concat(strings.map(fromHex)) : undefined,
  })
}

function pathsOf(strings: readonly string[], folders: readonly string[]): readonly string[] {
  return strings.map((each, index) => {
    const path = fromHex(each).toString()
    if (path.startsWith('/')) return path
    const folder = folders[index] ?? folders[0]
    // A plain call on a relative name does not say where it is.
    return folder === undefined ? `?/${path}` : `${fromHex(folder).toString()}/${path}`
  })
}

/** `\x2f\x61`; what stands behind it, as in `\x2f(deleted)`, stays. */
function fromHex(text: string): Buffer {
  const hex = /^(?:\\x[0-9a-f]{2})*/
  if (text.length > 65_536) return Buffer.from(text.replaceAll('\\x', ''), 'hex')
  const coded = hex.exec(text)![0]
  const bytes = Buffer.from(coded.replaceAll('\\x', ''), 'hex')
  return Buffer.concat([bytes, Buffer.from(text.slice(coded.length))])
}
