// Programs around the reading of a source, run for real: their order, what they are told, and that AFTER is
// run whatever happens once BEFORE was begun.

import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  await writeFile(join(world.source, 'a'), 'content')
})
afterEach(() => world.close())

// Each call is a line: the hook, what it was told, and whether the source was there.
const LOG = `printf "%s %s %s\\n" "$SPILLWAY_HOOK" "\${SPILLWAY_OUTCOME:--}" "\${SPILLWAY_ERROR_KIND:--}" >> log`

function hooks(scripts: Readonly<Record<string, string>>): void {
  for (const [name, script] of Object.entries(scripts))
    world.env[`SOURCE_1_${name}`] = `bash -c '${script}'`
}

async function log(): Promise<readonly string[]> {
  const path = join(world.folder, 'log')
  return existsSync(path) ? (await readFile(path, 'utf8')).trim().split('\n') : []
}

const records = async (): Promise<readonly string[]> => {
  const folder = join(world.folder, 'data/hooks')
  return existsSync(folder) ? readdir(folder) : []
}

const isAlive = (pid: string): boolean => {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

const stateOf = ({ exit, sources, archives }: RunReport) => ({
  exit,
  code: sources[0]?.code,
  states: archives.map(({ state }) => state),
})

describe('a source with hooks', () => {
  it('is read between BEFORE, which makes it, and AFTER, which takes it away', async () => {
    world.env['SOURCE_1_PATH'] = join(world.folder, 'snapshot')
    hooks({
      BEFORE: `${LOG}; mkdir "$SPILLWAY_SOURCE_PATH"; cp source/a "$SPILLWAY_SOURCE_PATH"`,
      AFTER: `${LOG}; rm -r "$SPILLWAY_SOURCE_PATH"`,
      ON_ERROR: LOG,
    })

    const report = await world.run()

    expect(stateOf(report)).toEqual({ exit: 0, code: null, states: ['stored'] })
    expect(report.archives[0]?.fileCount).toBe(2)
    expect(await log()).toEqual(['before - -', 'after packed -'])
    expect(existsSync(join(world.folder, 'snapshot'))).toBe(false)
    expect(await records()).toEqual([])
  })

  it('tells them what they need, and nothing of ours', async () => {
    world.env['SOURCE_1_ENV'] = 'SNAPSHOT_SIZE'
    world.env['SNAPSHOT_SIZE'] = '5G'
    hooks({ BEFORE: 'env > before.env', AFTER: 'env > after.env' })

    const { archives } = await world.run()

    const before = await readFile(join(world.folder, 'before.env'), 'utf8')
    for (const line of [
      'SNAPSHOT_SIZE=5G',
      'SPILLWAY_HOOK=before',
      'SPILLWAY_SOURCE=docs',
      'SPILLWAY_SOURCE_NUMBER=1',
      'SPILLWAY_SOURCE_KIND=folder',
      `SPILLWAY_SOURCE_PATH=${world.source}`,
      `SPILLWAY_ARCHIVE_ID=${archives[0]!.id}`,
      `SPILLWAY_ARCHIVE_FILE=${archives[0]!.file}`,
      'SPILLWAY_SERVER_ID=host',
    ])
      expect(before.split('\n')).toContain(line)
    expect(before).toMatch(/^SPILLWAY_RUN_ID=[0-9a-f-]{36}$/m)
    expect(before).toMatch(/^SPILLWAY_STARTED_AT=\d{4}-.*Z$/m)
    expect(before).not.toMatch(/^(?:S3_|SOURCE_)/m)
    expect(before).not.toContain(world.models[0]!.keys.secretKey)
    const after = await readFile(join(world.folder, 'after.env'), 'utf8')
    const shared = (text: string) =>
      text
        .split('\n')
        .filter((line) => !/^SPILLWAY_(HOOK|OUT)/.test(line))
        .toSorted()
    expect(shared(after)).toEqual(shared(before))
  })

  it('is let go before the upload has ended', async () => {
    await world.noise('big', 40_000_000)
    const order: string[] = []
    hooks({ AFTER: 'true' })
    world.env['UPLOAD_LIMIT_MBIT'] = '100'

    await world.run({
      onEvent: (event) => {
        if (event.kind === 'stored') order.push(event.kind)
        if (event.kind === 'note' && event.message.includes('AFTER ended well')) order.push('after')
      },
    })

    expect(order).toEqual(['after', 'stored'])
  })

  it('may be a command, too', async () => {
    delete world.env['SOURCE_1_PATH']
    world.env['SOURCE_1_COMMAND'] = 'cat made'
    hooks({ BEFORE: `${LOG}; echo content > made`, AFTER: `${LOG}; rm made` })

    expect(stateOf(await world.run())).toEqual({ exit: 0, code: null, states: ['stored'] })
    expect(await log()).toEqual(['before - -', 'after packed -'])
  })
})

describe('a failure', () => {
  const ON_ERROR = `${LOG}; printf "%s\\n" "$SPILLWAY_ERROR_CODE $SPILLWAY_ERROR" > told`
  const told = async () => (await readFile(join(world.folder, 'told'), 'utf8')).trim()

  it('of BEFORE is the failure of the source, which is not read, and AFTER is run', async () => {
    hooks({
      BEFORE: `${LOG}; echo "no such volume" >&2; exit 5`,
      AFTER: LOG,
      ON_ERROR,
    })
    world.env['SOURCE_2_PATH'] = join(world.folder, 'other')
    await mkdir(world.env['SOURCE_2_PATH'])
    await writeFile(join(world.env['SOURCE_2_PATH'], 'b'), 'b')

    const report = await world.run()

    expect(report).toMatchObject({
      exit: 15,
      sources: [
        {
          outcome: 'failed',
          code: 'SOURCE_HOOK_FAILED',
          message:
            'SOURCE_1_BEFORE failed (nothing was read): bash ended with exit code 5; it said: no such volume',
        },
        { name: 'other', outcome: 'ok' },
      ],
      archives: [{ source: 'other' }],
    })
    expect(await log()).toEqual(['before - -', 'after failed -', 'on-error failed before'])
    expect(await told()).toBe(`SOURCE_HOOK_FAILED ${report.sources[0]!.message}`)
    const [failed] = await world.withCatalog((catalog) => catalog.archives({ states: ['failed'] }))
    expect(failed?.reason).toContain('no such volume')
    expect(await records()).toEqual([])
  })

  it('of the reading is told with its own reason', async () => {
    await rm(world.source, { recursive: true })
    hooks({ BEFORE: LOG, AFTER: LOG, ON_ERROR })

    const report = await world.run()

    expect(stateOf(report)).toEqual({ exit: 10, code: 'SOURCE_MISSING', states: [] })
    expect(await log()).toEqual(['before - -', 'after failed -', 'on-error failed reading'])
    expect(await told()).toMatch(/^SOURCE_MISSING .*source/)
  })

  it('of AFTER is remembered for each BEFORE: what one left is undone by its own facts', async () => {
    const snapshot = 'snapshot-$SPILLWAY_ARCHIVE_ID'
    hooks({ BEFORE: `touch ${snapshot}`, AFTER: `test -e may-end && rm ${snapshot}` })
    const first = await world.run()
    const second = await world.run()
    expect([first.exit, second.exit]).toEqual([15, 15])
    expect(await records()).toHaveLength(2)

    await writeFile(join(world.folder, 'may-end'), '')
    const third = await world.run()

    expect(third.exit).toBe(0)
    expect(await records()).toEqual([])
    const left = (await readdir(world.folder)).filter((name) => name.startsWith('snapshot-'))
    expect(left).toEqual([])
  })

  it('of AFTER reaches exit code and report; the archive is good, and AFTER stays to be run', async () => {
    hooks({ BEFORE: LOG, AFTER: `${LOG}; test -e may-end`, ON_ERROR })

    const report = await world.run()

    expect(stateOf(report)).toEqual({ exit: 15, code: 'SOURCE_HOOK_FAILED', states: ['stored'] })
    expect(report.sources[0]).toMatchObject({ outcome: 'failed' })
    expect(report.sources[0]?.message).toMatch(
      /^SOURCE_1_AFTER failed \(what BEFORE did may not be/,
    )
    expect(await log()).toEqual(['before - -', 'after packed -', 'on-error failed after'])
    expect(await records()).toEqual([`docs-${report.archives[0]!.id}.json`])

    await writeFile(join(world.folder, 'may-end'), '')
    const next = await world.run()

    expect(stateOf(next)).toEqual({ exit: 0, code: null, states: ['stored'] })
    expect((await log()).slice(3)).toEqual(['after recovered -', 'before - -', 'after packed -'])
    expect(next.notices[0]).toMatch(/^BEFORE of docs was begun at .*AFTER was run now$/)
    expect(await records()).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('of both the reading and AFTER tells both', async () => {
    await rm(world.source, { recursive: true })
    hooks({ AFTER: 'exit 1', ON_ERROR: 'exit 2' })
    const report = await world.run()
    expect(stateOf(report)).toMatchObject({ exit: 10, code: 'SOURCE_MISSING' })
    expect(report.warnings).toMatchObject([
      expect.stringMatching(/^SOURCE_1_AFTER failed .*exit code 1$/),
      expect.stringMatching(/^SOURCE_1_ON_ERROR failed .*exit code 2$/),
    ])
  })

  it('to take longer than HOOK_MINUTES ends the whole group', async () => {
    hooks({ BEFORE: 'sleep 1000 & echo $! > pid; wait', AFTER: LOG })
    const report = await world.run({
      change: (services) => ({
        ...services,
        runProgram: (program, limits, signal) =>
          services.runProgram(program, { ...limits, timeoutMs: 500 }, signal),
      }),
    })
    expect(stateOf(report)).toMatchObject({ exit: 15, code: 'SOURCE_HOOK_FAILED' })
    expect(report.sources[0]?.message).toContain('bash did not end within 0.5 s')
    expect(await log()).toEqual(['after failed -'])
    const pid = (await readFile(join(world.folder, 'pid'), 'utf8')).trim()
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 10_000)
  })

  it('of all servers is none of the source', async () => {
    await world.models[0]!.close()
    hooks({ BEFORE: LOG, AFTER: LOG, ON_ERROR: LOG })
    expect(stateOf(await world.run())).toMatchObject({ exit: 23, states: ['waiting'] })
    expect(await log()).toEqual(['before - -', 'after packed -'])
  })
})

describe('an AFTER that cannot be run', () => {
  it('keeps BEFORE from being begun', async () => {
    hooks({ BEFORE: LOG })
    world.env['SOURCE_1_AFTER'] = 'no-such-program'
    const report = await world.run()
    expect(stateOf(report)).toMatchObject({ exit: 15, code: 'SOURCE_HOOK_FAILED' })
    expect(report.sources[0]?.message).toMatch(
      /^SOURCE_1_AFTER cannot be run, so nothing is begun: there is no program "no-such-program"/,
    )
    expect(await log()).toEqual([])
    expect(await records()).toEqual([])
  })

  it('is told every night when the settings do not name it any more', async () => {
    hooks({ AFTER: 'exit 1' })
    await world.run()
    delete world.env['SOURCE_1_AFTER']
    for (const night of [1, 2]) {
      const { exit, warnings } = await world.run()
      expect(exit, String(night)).toBe(3)
      expect(warnings[0]).toMatch(
        /settings do not name its AFTER any more: .*remove .*docs-[0-9a-f-]+\.json$/,
      )
    }
    const [left = ''] = await records()
    await writeFile(join(world.folder, 'data/hooks', left), '{"source":"docs"}')
    expect((await world.run()).warnings[0]).toMatch(/docs-.*\.json .* cannot be read \(it holds no/)
  })
})

describe('an interrupt', () => {
  it('while the source is read lets it go', async () => {
    const stop = new AbortController()
    hooks({ BEFORE: LOG, AFTER: `sleep 0.3; ${LOG}`, ON_ERROR: LOG })
    const report = await world.run({
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'note' && event.message.includes('BEFORE ended well')) stop.abort()
      },
    })
    expect(report.exit).toBe(130)
    expect(await log()).toEqual(['before - -', 'after interrupted -'])
    expect(await records()).toEqual([])
  })

  it('ends BEFORE, and an AFTER that takes too long, which then stays to be run', async () => {
    const stop = new AbortController()
    hooks({ BEFORE: 'touch begun; sleep 1000', AFTER: `${LOG}; sleep 1000` })
    const running = world.run({
      signal: stop.signal,
      change: (services) => ({ ...services, afterInterruptMs: 500 }),
    })
    await vi.waitFor(() => expect(existsSync(join(world.folder, 'begun'))).toBe(true), 10_000)
    stop.abort()
    const report = await running
    expect(report.exit).toBe(130)
    expect(report.warnings[0]).toContain('did not end within 0.5 s after the run was interrupted')
    expect(await log()).toEqual(['after interrupted -'])
    expect(await records()).toEqual([expect.stringMatching(/^docs-[0-9a-f-]+\.json$/)])
  })
})

describe('looking ahead', () => {
  it('plans a source whose folder only BEFORE makes, and runs nothing', async () => {
    world.env['SOURCE_1_PATH'] = join(world.folder, 'not-there-yet')
    hooks({ BEFORE: LOG, AFTER: LOG })
    const config = ['--config', await world.writeEnv()]
    const { exit, out } = await spillway(['run', '--dry-run', '--json', ...config])
    expect(exit, out.toString()).toBe(0)
    expect(JSON.parse(out.toString())).toMatchObject({
      archives: [{ memberCount: null, sourceBytes: null, servers: [{ number: 1 }], code: null }],
    })
    expect(out.toString()).toContain('is read after SOURCE_1_BEFORE, which is not run now')
    expect(await log()).toEqual([])
  })

  it('finds programs that are missing: in a dry run, and in the self-test', async () => {
    hooks({ BEFORE: LOG })
    world.env['SOURCE_1_ON_ERROR'] = '/no/such/mailer root'
    const config = ['--config', await world.writeEnv()]
    const plan = await spillway(['run', '--dry-run', '--json', ...config])
    expect(plan.exit).toBe(15)
    const test = await spillway(['self-test', '--json', ...config])
    expect(test.exit).toBe(3)
    expect(JSON.parse(test.out.toString())).toMatchObject({
      missingPrograms: [
        { variable: 'SOURCE_1_ON_ERROR', message: '/no/such/mailer does not exist' },
      ],
    })
    const text = await spillway(['self-test', ...config])
    expect(text.out.toString()).toContain('! SOURCE_1_ON_ERROR: /no/such/mailer does not exist')
  })
})
