// Settings that change while requests are answered with the old ones.

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configOf } from '../support/catalog-story.ts'
import { LiveServices } from '../../src/daemon/live-services.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Opened = ConstructorParameters<typeof LiveServices>[0]

it('closes the old services only once their requests are long over', async () => {
  const envFile = join(folder, '.env')
  const closed: number[] = []
  let opened = 0
  const open = async (): Promise<Opened> => {
    opened += 1
    const number = opened
    // The rest is handed on as it is.
    const services = { config: configOf({ envFile }), close: async () => void closed.push(number) }
    return services as unknown as Opened
  }
  writeFileSync(envFile, '1')
  const live = new LiveServices(await open(), open, () => undefined)
  await live.get()
  writeFileSync(envFile, 'two')
  await live.get()
  expect([opened, closed]).toEqual([2, []])
  writeFileSync(envFile, 'three')
  await live.get()
  expect([opened, closed]).toEqual([3, [1]])
  await live.close()
  expect(closed).toEqual([1, 2, 3])
})

it('reads again what looks as it did when it is told that it was written', async () => {
  const envFile = join(folder, '.env')
  let opened = 0
  const open = async (): Promise<Opened> => {
    opened += 1
    return { config: configOf({ envFile }), close: async () => undefined } as unknown as Opened
  }
  writeFileSync(envFile, 'a')
  const live = new LiveServices(await open(), open, () => undefined)
  const { mtime } = statSync(envFile)
  writeFileSync(envFile, 'b')
  utimesSync(envFile, mtime, mtime)
  await Promise.all([live.reload(), live.get()])
  expect(opened).toBeGreaterThan(1)
  const before = opened
  await live.get()
  expect(opened).toBe(before)
})

it('opens the catalog anew when another file is in its place, and reads a secret again that changed', async () => {
  const [envFile, catalogPath, secret] = ['.env', 'catalog.db', 'key'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const log: string[] = []
  let opened = 0
  const open = async (): Promise<Opened> => {
    opened += 1
    const config = configOf({ envFile, catalogPath })
    const services = { config, settingsFiles: [secret], close: async () => undefined }
    return services as unknown as Opened
  }
  writeFileSync(envFile, 'a')
  writeFileSync(secret, 'a')
  const live = new LiveServices(await open(), open, (line) => void log.push(line))
  await live.get()
  // The first run makes it: it is opened when it is there.
  writeFileSync(catalogPath, 'one')
  await live.get()
  expect(opened).toBe(1)
  renameSync(catalogPath, join(folder, 'lost'))
  await live.get()
  expect(opened).toBe(1)
  writeFileSync(catalogPath, 'another')
  await live.get()
  await live.get()
  expect(opened).toBe(2)
  writeFileSync(secret, 'another')
  await live.get()
  await live.get()
  expect(opened).toBe(3)
  expect(log).toEqual([
    'the catalog is another file, and was opened anew',
    'the settings were read again',
  ])
})

it('notices a file that was not there yet', async () => {
  const envFile = join(folder, '.env')
  const open = async (): Promise<Opened> => {
    const known = existsSync(envFile) ? envFile : undefined
    const config = configOf({ envFile: known })
    return { config, close: async () => undefined } as unknown as Opened
  }
  const live = new LiveServices(await open(), open, () => undefined, envFile)
  expect((await live.get()).config.envFile).toBeUndefined()
  writeFileSync(envFile, 'a')
  expect((await live.get()).config.envFile).toBe(envFile)
})

describe('settings that were refused', () => {
  /** Opens what `whyNot` has nothing against; `tries` counts how often it was asked. */
  function liveWith(whyNot: () => string | undefined) {
    const envFile = join(folder, '.env')
    writeFileSync(envFile, 'a', { mode: 0o600 })
    const log: string[] = []
    const at = { nowMs: 0, tries: 0 }
    const open = async (): Promise<Opened> => {
      at.tries += 1
      const reason = whyNot()
      if (reason !== undefined) throw new Error(reason)
      return { config: configOf({ envFile }), close: async () => undefined } as unknown as Opened
    }
    const first = { config: configOf({ envFile }), close: async () => undefined }
    const tell = (line: string): void => void log.push(line)
    const nowMs = (): number => at.nowMs
    const live = new LiveServices(first as unknown as Opened, open, tell, envFile, nowMs)
    const problem = async () => (await live.get()).configProblem
    return { envFile, log, at, problem }
  }

  it('for their mode are read again as soon as it was mended', async () => {
    const { envFile, problem, log } = liveWith((): string | undefined =>
      (statSync(envFile).mode & 0o077) === 0 ? undefined : 'others can read it',
    )
    writeFileSync(envFile, 'b')
    chmodSync(envFile, 0o644)
    expect(await problem()).toBe('others can read it')
    chmodSync(envFile, 0o600)
    expect(await problem()).toBeUndefined()
    expect(log).toEqual([
      expect.stringContaining('others can read it') as string,
      'the settings were read again',
    ])
  })

  it('for what lies beside them are tried again some seconds later, and told once', async () => {
    const key = join(folder, 'seal.key')
    const { envFile, problem, log, at } = liveWith(() =>
      existsSync(key) ? undefined : 'there is no seal.key',
    )
    writeFileSync(envFile, 'two')
    expect(await problem()).toBe('there is no seal.key')
    await problem()
    expect(at.tries).toBe(1)
    at.nowMs += 5_000
    expect(await problem()).toBe('there is no seal.key')
    expect([at.tries, log.length]).toEqual([2, 1])
    writeFileSync(key, '')
    at.nowMs += 5_000
    expect(await Promise.all([problem(), problem()])).toEqual([undefined, undefined])
    expect([at.tries, log.length]).toEqual([3, 2])
    at.nowMs += 60_000
    await problem()
    expect(at.tries).toBe(3)
  })

  it('are told as what they are: runs fail, and only what is shown is as before', async () => {
    const { envFile, problem, log } = liveWith(() => 'COPIES is no number')
    writeFileSync(envFile, 'two')
    await problem()
    expect(log).toEqual([
      'the settings are wrong, and runs fail until they are mended; what is shown, and the schedule, ' +
        'go by the ones of before: COPIES is no number',
    ])
  })
})
