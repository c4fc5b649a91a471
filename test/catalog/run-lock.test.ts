import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { acquireRunLock, currentRun } from '../../src/catalog/run-lock.ts'
import { child, race, temporaryFolder } from './fixtures.ts'

const HOLD = `
  await go
  try {
    const lock = await acquireRunLock(args[0])
    console.log('holds ' + process.pid)
    await new Promise((resolve) => process.stdin.once('data', resolve))
    await lock.release()
  } catch (error) {
    console.log(error.code + ' ' + error.facts.pid)
  }
`

it('is had by exactly one of five processes, and the others name it [F70]', async () => {
  const folder = temporaryFolder()
  // Five rounds: who wins is chance, that one wins is not.
  for (let round = 0; round < 5; round += 1) {
    const children = Array.from({ length: 5 }, () => child(HOLD, folder))
    await Promise.all(children.map(({ prints }) => prints('loaded')))
    for (const { start } of children) start()

    const outcomes = await Promise.all(
      children.map(({ prints, output }) =>
        prints('holds').then(
          () => 'holds',
          () => output,
        ),
      ),
    )

    const winners = children.filter((_, index) => outcomes[index] === 'holds')
    expect(winners.length).toBe(1)
    for (const text of outcomes.filter((outcome) => outcome !== 'holds'))
      expect(text).toBe(`loaded\nRUN_LOCKED ${winners[0]!.process.pid}\n`)
    winners[0]!.start()
    await winners[0]!.output
  }
}, 60_000)

it('is free again after kill -9 of its holder', async () => {
  const folder = temporaryFolder()
  const holder = child(HOLD, folder)
  holder.start()
  await holder.prints('holds')
  await expect(acquireRunLock(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' })

  holder.process.kill('SIGKILL')
  await holder.output

  const lock = await acquireRunLock(folder)
  await lock.release()
})

it('is one for two data folders with the same catalog, of one host', async () => {
  const [a, b] = [temporaryFolder(), temporaryFolder()]
  const catalog = { path: join(a, 'catalog.db'), host: 'web-1' }
  const lock = await acquireRunLock(a, catalog)

  await expect(acquireRunLock(b, catalog)).rejects.toMatchObject({
    code: 'RUN_LOCKED',
    facts: { pid: process.pid },
  })
  expect(currentRun(b, catalog)).toMatchObject({ pid: process.pid })
  // Whose archives are another host's: neither touches what is the other's.
  await (await acquireRunLock(b, { ...catalog, host: 'web-2' })).release()

  await lock.release()
  await (await acquireRunLock(b, catalog)).release()
  expect(currentRun(b, catalog)).toBeUndefined()
})

it('is kept by a holder that is stopped, and still its own when it goes on [F04]', async () => {
  const folder = temporaryFolder()
  const holder = child(HOLD, folder)
  holder.start()
  await holder.prints('holds')
  holder.process.kill('SIGSTOP')
  // A lease would run out; a lock of the kernel does not.
  await vi.waitFor(() => expect(stateOf(holder.process.pid!)).toBe('T'), 10_000)

  const { pid } = holder.process
  await expect(acquireRunLock(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED', facts: { pid } })

  holder.process.kill('SIGCONT')
  await expect(acquireRunLock(folder)).rejects.toMatchObject({ code: 'RUN_LOCKED', facts: { pid } })
  holder.start()
  await holder.output
  await (await acquireRunLock(folder)).release()
})

/** One letter: T is stopped. */
function stateOf(pid: number): string | undefined {
  return /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
}

it('is free again after its holder ended without giving it back', async () => {
  const folder = temporaryFolder()
  const [output] = await race([
    child(`await go; await acquireRunLock(args[0]); console.log('held')`, folder),
  ])
  expect(output).toBe('held')

  await (await acquireRunLock(folder)).release()
})

it('is kept when its holder lets go of the object, until the process ends', async () => {
  const folder = temporaryFolder()
  const output = await child(
    `
    const { setFlagsFromString } = await import('node:v8')
    setFlagsFromString('--expose-gc')
    const gc = (await import('node:vm')).runInNewContext('gc')
    await acquireRunLock(args[0])
    for (let round = 0; round < 5; round += 1) { gc(); await new Promise(setImmediate) }
    await acquireRunLock(args[0]).catch((error) => console.log(error.code))
  `,
    folder,
  ).output
  expect(output).toBe('loaded\nRUN_LOCKED\n')
})

it('refuses the same process too, and says since when [F70]', async () => {
  const folder = join(temporaryFolder(), 'new', 'data')
  const lock = await acquireRunLock(folder)

  const error: unknown = await acquireRunLock(folder).catch((e: unknown) => e)
  expect(error).toMatchObject({
    code: 'RUN_LOCKED',
    failure: { exit: 75 },
    facts: { pid: process.pid },
  })
  expect((error as Error).message).toMatch(
    new RegExp(`^another run is going on \\(pid ${process.pid}, since \\d\\d:\\d\\d:\\d\\d\\)$`),
  )
  await lock.release()
  await lock.release()
  expect(existsSync(join(folder, 'run.pid'))).toBe(false)
  await (await acquireRunLock(folder)).release()
})

it('leaves a private folder and files, and the lock file empty', async () => {
  const folder = join(temporaryFolder(), 'data')
  const lock = await acquireRunLock(folder)

  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(statSync(join(folder, 'run.lock'))).toMatchObject({ size: 0, mode: 0o100600 })
  expect(statSync(join(folder, 'run.pid')).mode & 0o777).toBe(0o600)
  expect(JSON.parse(readFileSync(join(folder, 'run.pid'), 'utf8'))).toMatchObject({
    pid: process.pid,
  })
  await lock.release()
})

const unseen = 'another run is going on (its process cannot be seen from here)'
it.each([
  { what: 'that is gone', text: `{"pid":4194304,"since":"2026-03-01T02:30:07.000Z"}` },
  {
    what: 'whose number another one has now',
    text: `{"pid":${process.pid},"since":"2026-03-01T02:30:07.000Z","startTicks":"1"}`,
  },
  { what: 'of no sense', text: '{"pid":"x"' },
  { what: 'of the wrong kind', text: '{"pid":-1,"since":"2026-03-01T02:30:07.000Z"}' },
  { what: 'without a time', text: `{"pid":${process.pid}}` },
])('does not blame a process $what', async ({ text }) => {
  const folder = temporaryFolder()
  const lock = await acquireRunLock(folder)
  writeFileSync(join(folder, 'run.pid'), text)

  await expect(acquireRunLock(folder)).rejects.toMatchObject({
    code: 'RUN_LOCKED',
    message: unseen,
    facts: {},
  })
  await lock.release()
})

it('believes a holder that began on another day, and says which', async () => {
  const folder = temporaryFolder()
  const lock = await acquireRunLock(folder)
  const holder = JSON.parse(readFileSync(join(folder, 'run.pid'), 'utf8')) as object
  writeFileSync(
    join(folder, 'run.pid'),
    JSON.stringify({ ...holder, since: '2020-03-01T12:30:07.000Z' }),
  )

  await expect(acquireRunLock(folder)).rejects.toThrow(/since 2020-03-01 \d\d:30:07\)$/)
  await lock.release()
})

it('says what is wrong with a lock that cannot be taken', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'run.lock'))
  await expect(acquireRunLock(folder)).rejects.toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    message: expect.stringContaining(`the run lock ${join(folder, 'run.lock')} cannot`) as string,
  })

  const garbage = temporaryFolder()
  writeFileSync(join(garbage, 'run.lock'), 'a text, and no database\n'.repeat(400))
  await expect(acquireRunLock(garbage)).rejects.toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    hint: expect.stringContaining('may be removed') as string,
  })
})
