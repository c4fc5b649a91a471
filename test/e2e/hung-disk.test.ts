// A disk or a network mount that does not answer, under the source and at the end of the process. What a
// dead mount does to a call, a pipe without a writer does to `open`: it never comes back.

import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createPacker } from '../../src/compose-packer.ts'
import { answeringPaths } from '../../src/lib/answering-paths.ts'
import { heldSteps } from '../../src/lib/left-behind.ts'
import type { PackJob } from '../../src/pack/packer.ts'
import { folderSource, temporaryFolders } from '../pack/in-process.ts'
import { failureFrom } from '../support/storages.ts'
import { file, makeTree } from '../support/tree.ts'

const newFolder = temporaryFolders()
const pipes: string[] = []
const newPipe = (): string => {
  const path = join(newFolder(), 'pipe')
  execFileSync('mkfifo', [path])
  pipes.push(path)
  return path
}
afterEach(async () => {
  for (const path of pipes.splice(0))
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
  await vi.waitFor(() => expect(heldSteps()).toBe(0), { timeout: 5_000, interval: 5 })
})

// Longer than a busy machine needs to start a thread.
const SILENCE_MS = 1_000
const distOf = (path: string): URL => new URL(`../../dist/modules/src/${path}`, import.meta.url)

/** The script of a thread that walks for `aliveMs` and then hangs in a call of the system. */
function hangingWalker(pipe: string, aliveMs: number): URL {
  const script = join(newFolder(), 'walker.mjs')
  writeFileSync(
    script,
    `import { receiveOrder } from ${JSON.stringify(distOf('lib/worker.js'))}
    import { openSync } from 'node:fs'
    import { RingWriter } from ${JSON.stringify(distOf('pack/block-ring.js'))}
    const { order } = await receiveOrder()
    const ring = new RingWriter(order.ring, () => undefined)
    for (const end = Date.now() + ${aliveMs}; Date.now() < end; ) {
      ring.checkpoint('photos/2026/\\x01')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
    openSync(${JSON.stringify(pipe)}, 'r')`,
  )
  return pathToFileURL(script)
}

function jobOf(source: string): PackJob {
  return {
    archiveId: '01234567-89ab-7def-8123-456789abcdef',
    host: 'test-host',
    source: folderSource(source),
    outputPath: join(newFolder(), 'archive.partial'),
    startedAt: new Date('2026-03-01T02:30:00Z'),
    zstdLevel: 3,
    verifies: false,
    ownPaths: [],
    outputBytesMax: undefined,
  }
}

describe('a source whose disk hangs', () => {
  const never = new AbortController().signal
  const sourceOf = (): string => {
    const source = newFolder()
    makeTree(source, [file('a')])
    return source
  }

  it('is given up after its silence, with the path at which it hangs', async () => {
    const source = sourceOf()
    const walker = hangingWalker(newPipe(), 2 * SILENCE_MS)
    const packer = createPacker({ sourceSilenceMs: SILENCE_MS, walker })
    const begun = performance.now()

    const failure = await failureFrom(packer.pack(jobOf(source), () => undefined, never))

    expect(failure).toMatchObject({ code: 'SOURCE_UNREADABLE' })
    expect(failure.message).toContain(`${source} cannot be read`)
    expect(failure.message).toContain(`${source}/photos/2026/\\x01`)
    // Alive for two silences, then silent for one, then a second for its thread to end.
    expect(performance.now() - begun).toBeGreaterThan(3 * SILENCE_MS - 50)
    expect(performance.now() - begun).toBeLessThan(3 * SILENCE_MS + 2_500)
  })

  it('is given up by a survey, too', async () => {
    const walker = hangingWalker(newPipe(), 0)
    const packer = createPacker({ sourceSilenceMs: SILENCE_MS, walker })
    const survey = packer.survey({ source: folderSource(sourceOf()), ownPaths: [] }, never)
    expect(await failureFrom(survey)).toMatchObject({ code: 'SOURCE_UNREADABLE' })
  })

  it('lets the next source be packed', async () => {
    const walker = hangingWalker(newPipe(), 0)
    const hanging = createPacker({ sourceSilenceMs: SILENCE_MS, walker })
    await failureFrom(hanging.pack(jobOf(sourceOf()), () => undefined, never))
    const result = await createPacker().pack(jobOf(sourceOf()), () => undefined, never)
    expect(result.memberCount).toBe(2)
  })

  it('is not what a source is that waits for slow compression', async () => {
    const source = newFolder()
    makeTree(source, [file('big', Buffer.alloc(64_000_000, 'text '))])
    // The walk waits for blocks most of the time; level 19 takes much longer than the silence.
    const packer = createPacker({ sourceSilenceMs: SILENCE_MS })
    const job = { ...jobOf(source), zstdLevel: 19 }
    expect((await packer.pack(job, () => undefined, never)).sourceBytes).toBe(64_000_000)
  })
})

describe('own paths', () => {
  it('that hang are left out, and looked at once only', async () => {
    let looks = 0
    let letGo = (): void => undefined
    const look = (path: string): Promise<unknown> => {
      if (!path.startsWith('/mnt/dead')) return Promise.reject(new Error('ENOENT'))
      looks += 1
      return new Promise<void>((resolve) => (letGo = resolve))
    }
    const paths = ['/data', '/mnt/dead/server', '/spool']
    expect(await answeringPaths(paths, 50, look)).toEqual(['/data', '/spool'])
    expect(await answeringPaths(paths, 50, look)).toEqual(['/data', '/spool'])
    expect(looks).toBe(1)
    letGo()
  })
})

describe('a process of which a thread hangs', () => {
  const endOf = async (exit: number, holds: string): Promise<unknown> => {
    const script = `
      const { endHungProcess } = await import(${JSON.stringify(distOf('end-process.js'))})
      const { leaveBehind } = await import(${JSON.stringify(distOf('lib/left-behind.js'))})
      ${holds}
      console.log('the report')
      await endHungProcess(${exit}, { process, printError: console.error, graceMs: 200 })
      process.exitCode = ${exit}`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    const texts = { out: '', err: '' }
    child.stdout.on('data', (bytes: Buffer) => void (texts.out += bytes.toString()))
    child.stderr.on('data', (bytes: Buffer) => void (texts.err += bytes.toString()))
    return new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal, ...texts }))
    })
  }
  const inPool = (pipe: string): string => `
    const { open } = await import('node:fs/promises')
    leaveBehind(open(${JSON.stringify(pipe)}, 'r'))`
  const inWorker = (pipe: string): string => `
    const { Worker } = await import('node:worker_threads')
    const hang = \`import { openSync, writeFileSync } from 'node:fs'
      writeFileSync(${JSON.stringify(`${pipe}.on`)}, '')
      openSync(${JSON.stringify(pipe)}, 'r')\`
    const worker = new Worker(hang, { eval: true })
    const { existsSync } = await import('node:fs')
    while (!existsSync(${JSON.stringify(`${pipe}.on`)})) await new Promise((on) => setTimeout(on, 5))
    worker.unref()
    leaveBehind(worker.terminate())`

  it.each([
    ['the pool', inPool],
    ['a worker', inWorker],
  ])(
    'in %s ends after its report, by SIGKILL, and says which code was meant',
    async (_name, by) => {
      expect(await endOf(20, by(newPipe()))).toMatchObject({
        signal: 'SIGKILL',
        out: 'the report\n',
        err: expect.stringContaining('instead of exit code 20') as string,
      })
    },
  )

  it('ends as an interrupted program does when it was interrupted: 130 for the shell', async () => {
    const ended = await endOf(130, inPool(newPipe()))
    expect(ended).toMatchObject({ signal: 'SIGINT', out: 'the report\n', err: '' })
  })

  it('ends with its own code when what hung has come back', async () => {
    const holds = 'leaveBehind(new Promise((resolve) => setTimeout(resolve, 50)))'
    expect(await endOf(20, holds)).toMatchObject({ code: 20, signal: null, err: '' })
  })

  it('ends with its own code when nothing hung', async () => {
    expect(await endOf(3, '')).toMatchObject({ code: 3, signal: null, err: '' })
  })
})
