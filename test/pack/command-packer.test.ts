// The packer with real programs: what they write becomes one member, whatever its size, and a program that
// does not end well becomes nothing at all.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createPacker } from '../../src/compose-packer.ts'
import type { CommandSource } from '../../src/domain/source.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import type { PackProgress, PackResult } from '../../src/pack/packer.ts'
import { bash, commandSource } from '../support/command-sources.ts'
import { failureFrom } from '../support/storages.ts'
import { hasTool, outputOf, temporaryFolders } from './in-process.ts'

const newFolder = temporaryFolders()
const MiB = 1024 * 1024
const BLOCK = 4 * MiB
const never = new AbortController().signal

type Packed = {
  readonly result: PackResult
  readonly path: string
  readonly heard: readonly PackProgress[]
}

async function pack(
  source: CommandSource,
  more: {
    readonly signal?: AbortSignal
    readonly verifies?: boolean
    readonly onProgress?: (progress: PackProgress) => unknown
  } = {},
): Promise<Packed> {
  const path = join(newFolder(), 'archive.partial')
  const heard: PackProgress[] = []
  const job = {
    archiveId: '01234567-89ab-7def-8123-456789abcdef',
    host: 'test-host',
    source,
    outputPath: path,
    startedAt: new Date('2026-03-01T02:30:00Z'),
    zstdLevel: 3,
    verifies: more.verifies ?? true,
    ownPaths: [],
    outputBytesMax: undefined,
  }
  const result = await createPacker().pack(
    job,
    (progress) => {
      heard.push(progress)
      more.onProgress?.(progress)
    },
    more.signal ?? never,
  )
  return { result, path, heard }
}

const failureOf = (source: CommandSource) => failureFrom(pack(source))

/** A file of so many bytes that do not repeat. */
function contentOf(sizeBytes: number): { readonly path: string; readonly bytes: Buffer } {
  const path = join(newFolder(), 'content')
  const bytes = Buffer.alloc(sizeBytes)
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
  writeFileSync(path, bytes)
  return { path, bytes }
}

describe('the output of a command', () => {
  it.each([1, 511, 512, 513, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 700])(
    'of %d bytes is one member to tar, bsdtar, zstd and the index',
    async (sizeBytes) => {
      const content = contentOf(sizeBytes)

      const { path, result } = await pack(commandSource(['cat', content.path]))

      expect(result).toMatchObject({ memberCount: 1, sourceBytes: sizeBytes, warningCount: 0 })
      expect(statSync(path)).toMatchObject({ size: result.outputBytes })
      expect(outputOf('tar', ['--zstd', '-xOf', path, 'dump.out']).equals(content.bytes)).toBe(true)
      expect(outputOf('tar', ['--zstd', '-tf', path]).toString()).toBe('dump.out\n')
      if (hasTool('bsdtar'))
        expect(outputOf('bsdtar', ['-xOf', path, 'dump.out']).equals(content.bytes)).toBe(true)
      if (hasTool('zstd')) execFileSync('zstd', ['-tq', path])
      await checkIndex(path, result, sizeBytes)
    },
  )

  it('may be empty where that is allowed', async () => {
    const { path, result } = await pack(commandSource(['true'], { mayBeEmpty: true }))
    expect(result).toMatchObject({ memberCount: 1, sourceBytes: 0 })
    expect(outputOf('tar', ['--zstd', '-tvf', path]).toString()).toMatch(/ 0 .* dump\.out\n$/)
    await checkIndex(path, result, 0)
  })

  it('is told as it grows, and its header as what comes last', async () => {
    const { heard } = await pack(commandSource(['cat', contentOf(40 * MiB).path]))

    const early = heard.filter(({ outputBytes, kept }) => outputBytes > 0 && kept !== undefined)
    expect(early.length).toBeGreaterThan(0)
    expect(early[0]?.kept).toMatchObject({ offsetBytes: 0, storedBytes: 1_545 })
    expect(heard.at(-1)?.kept).toBeUndefined()
  })

  it('is what the program writes to /dev/stdout', async () => {
    const { path } = await pack(bash('echo complaint >/dev/stderr; echo content >/dev/stdout'))
    expect(outputOf('tar', ['--zstd', '-xOf', path]).toString()).toBe('content\n')
  })

  it('is compared again after it was compressed, header and all, and the same without', async () => {
    const source = commandSource(['cat', contentOf(BLOCK + 9).path])
    const [one, other] = [await pack(source), await pack(source, { verifies: false })]
    expect(one.result.sourceBytes).toBe(other.result.sourceBytes)
  })

  it('leaves no pipe and no temporary name behind', async () => {
    const { path } = await pack(commandSource(['echo', 'x']))
    expect(readdirSync(join(path, '..'))).toEqual(['archive.partial'])
    const pipes = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes('.spillway-'))
    expect(pipes).toEqual([])
  })
})

describe('a command that did not do its work', () => {
  it.each<[string, CommandSource, { code: string; says: RegExp }]>([
    [
      'exits with 1 after half of the output',
      bash('head -c 6000000 /dev/zero; echo "pg_dump: error: connection lost" >&2; exit 1'),
      {
        code: 'SOURCE_COMMAND_FAILED',
        says: /^bash ended with exit code 1; it said: pg_dump: error: connection lost$/,
      },
    ],
    [
      'exits with 0 and wrote nothing',
      bash('echo "nothing to do" >&2'),
      {
        code: 'SOURCE_EMPTY',
        says: /ended with exit code 0 and wrote nothing; it said: nothing to do/,
      },
    ],
    [
      'wrote less than it must',
      commandSource(['echo', 'sorry'], { outputBytesMin: 1_000 }),
      {
        code: 'SOURCE_EMPTY',
        says: /echo wrote 6 B, less than the 1\.00 kB of SOURCE_1_MIN_BYTES/,
      },
    ],
    [
      'is killed',
      bash('echo half; kill -9 $$'),
      { code: 'SOURCE_COMMAND_FAILED', says: /^bash was ended by SIGKILL$/ },
    ],
    [
      'closes its output and exits with 1 two seconds later',
      bash('echo all; exec >&-; sleep 2; echo "could not commit" >&2; exit 1'),
      { code: 'SOURCE_COMMAND_FAILED', says: /exit code 1; it said: could not commit/ },
    ],
    [
      'hangs',
      bash('echo begin; sleep 1000', { silenceMs: 1_500 }),
      {
        code: 'SOURCE_COMMAND_FAILED',
        says: /bash wrote nothing for 0\.025 minutes and did not end/,
      },
    ],
    [
      'closes its output and hangs',
      bash('echo all; exec >&-; sleep 1000', { silenceMs: 1_500 }),
      { code: 'SOURCE_COMMAND_FAILED', says: /did not end/ },
    ],
    [
      'floods its standard error',
      bash('head -c 200000000 /dev/zero | tr "\\0" x >&2; echo "the cause" >&2; exit 3'),
      { code: 'SOURCE_COMMAND_FAILED', says: /exit code 3; it said: x+\[\.\.\.\]x+the cause$/ },
    ],
    [
      'asks for a password on the terminal',
      bash('set -e; echo begin; read -r -p "Password: " answer </dev/tty; echo "$answer"'),
      { code: 'SOURCE_COMMAND_FAILED', says: /exit code 1; it said: .*\/dev\/tty/ },
    ],
    [
      'asks for a password on its input',
      bash('read -r answer || { echo "no password supplied" >&2; exit 2; }; echo "$answer"'),
      { code: 'SOURCE_COMMAND_FAILED', says: /exit code 2; it said: no password supplied/ },
    ],
    [
      'needs a pager that turns its pages',
      bash(
        'echo page; { read -r key </dev/tty; } 2>/dev/null || { echo "no terminal" >&2; exit 4; }',
      ),
      { code: 'SOURCE_COMMAND_FAILED', says: /exit code 4; it said: no terminal/ },
    ],
    [
      'is not there',
      commandSource(['pg_dmup', 'app']),
      { code: 'SOURCE_COMMAND_FAILED', says: /^there is no program "pg_dmup" in PATH \(.*\)$/ },
    ],
    [
      'is no program',
      commandSource([import.meta.filename]),
      {
        code: 'SOURCE_COMMAND_FAILED',
        says: /command-packer\.test\.ts may not be executed by this user/,
      },
    ],
    [
      'is a folder',
      commandSource(['/etc']),
      { code: 'SOURCE_COMMAND_FAILED', says: /\/etc is no program/ },
    ],
    [
      'has lost the folder that it runs in',
      commandSource(['true'], { workingFolder: '/nowhere' }),
      { code: 'SOURCE_COMMAND_FAILED', says: /the folder .* \/nowhere, is not there/ },
    ],
  ])('because it %s fails, and says so [F05 F62]', async (_what, source, { code, says }) => {
    const failure = await failureOf(source)
    expect(failure).toMatchObject({ code })
    expect(failure.message).toMatch(says)
    expect(failure.message.length).toBeLessThan(1_600)
  })

  it('because its interpreter is missing says so', async () => {
    const script = join(newFolder(), 'dump')
    writeFileSync(script, '#!/opt/python9\n', { mode: 0o755 })
    const { message } = await failureOf(commandSource([script]))
    expect(message).toMatch(/could not be started .*: the interpreter .* does not exist/)
  })

  it('because it left its output open to another process fails, and that one is ended', async () => {
    const file = join(newFolder(), 'pid')
    const source = bash(`sleep 1000 & echo $! >${file}; echo half`)
    const failure = await failureOf(source)
    expect(failure.message).toMatch(/something that it started still holds its output open/)
    await vi.waitFor(() => expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false), 10_000)
  }, 30_000)

  it('never tells a secret, nor sends a terminal what it would act on', async () => {
    const script =
      'echo -e "\\e[31mauth failed\\e[0m for geheim-123\\a at pg://me:pw99@host" >&2; exit 1'
    const { message } = await failureOf(bash(script, { secrets: ['geheim-123'] }))
    expect(message).toContain('auth failed for [hidden] at pg://[hidden]@host')
  })

  it('is ended with all that it started when it is interrupted, also when it ignores that', async () => {
    const file = join(newFolder(), 'pids')
    const script = `trap "" TERM; sleep 1000 & echo $$ $! >${file}; echo begin; wait; sleep 1000`
    const stop = new AbortController()
    const packing = failureFrom(pack(bash(script), { signal: stop.signal }))
    await vi.waitFor(
      () => expect(existsSync(file) && readFileSync(file, 'utf8')).toMatch(/\d \d+\n/),
      {
        timeout: 10_000,
      },
    )
    const begun = performance.now()

    stop.abort()

    expect(await packing).toMatchObject({ code: 'INTERRUPTED' })
    expect(performance.now() - begun).toBeLessThan(6_000)
    for (const pid of readFileSync(file, 'utf8').trim().split(' ').map(Number))
      await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 10_000)
  })

  it('is not one that is only slow: the disk may wait for it, and it for the disk', async () => {
    const source = bash('for i in 1 2 3 4 5; do echo $i; sleep 0.6; done', { silenceMs: 2_000 })
    expect((await pack(source)).result.sourceBytes).toBe(10)
  })
})

it('what lies in the file before a program goes silent is told, for the upload to send it', async () => {
  // Two more are at work, and these come sooner one after the other than progress is told.
  const writtenBytes = 2 * BLOCK
  const go = join(newFolder(), 'go')
  const noise = `head -c ${writtenBytes + 2 * BLOCK} /dev/urandom`
  const isGoing = vi.fn(() => writeFileSync(go, ''))

  await pack(bash(`${noise}; until test -e ${go}; do sleep 0.02; done`), {
    verifies: false,
    onProgress: ({ outputBytes }) => outputBytes >= writtenBytes && isGoing(),
  })

  expect(isGoing).toHaveBeenCalled()
})

describe('a survey', () => {
  it('runs nothing, and finds out whether there is such a program', async () => {
    const file = join(newFolder(), 'ran')
    const packer = createPacker()
    const survey = (source: CommandSource) => packer.survey({ source, ownPaths: [] }, never)
    expect(await survey(commandSource(['touch', file]))).toEqual({
      sourceBytes: undefined,
      memberCount: 1,
    })
    expect(existsSync(file)).toBe(false)
    expect(await failureFrom(survey(commandSource(['pg_dmup'])))).toMatchObject({
      code: 'SOURCE_COMMAND_FAILED',
    })
  })
})

async function checkIndex(path: string, result: PackResult, sizeBytes: number): Promise<void> {
  const file = await open(path)
  try {
    const read = async (offsetBytes: number, count: number) =>
      (await file.read(Buffer.alloc(count), 0, count, offsetBytes)).buffer
    const tail = await openArchiveTail(read, result.outputBytes)
    const spanBytes = 1_536 + Math.ceil(sizeBytes / 512) * 512
    const found = await tail.findMember('dump.out')
    expect(found).toMatchObject({ kind: 'file', sizeBytes, offsetBytes: 0, spanBytes })
    expect(tail.manifest.source).toEqual({ name: 'dump', kind: 'command' })
    expect((await tail.frames()).frame(0)).toMatchObject({ storedBytes: 1_545, rawBytes: 1_536 })
    let bytes = 0
    for await (const piece of tail.readTar(0, tail.manifest.tarBytes)) bytes += piece.length
    expect(bytes).toBe(spanBytes + 1_024)
  } finally {
    await file.close()
  }
}

/** Zombies are not: whoever is to reap them may not be this process. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function linkOf(fd: string): string {
  try {
    return outputOf('readlink', [`/proc/${process.pid}/fd/${fd}`]).toString()
  } catch {
    // The one that read the list.
    return ''
  }
}
