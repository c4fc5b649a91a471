import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemdCommand } from '../../src/cli/commands/systemd.ts'
import { systemdUnits } from '../../src/operations/systemd-units.ts'
import type { UnitsInput } from '../../src/operations/systemd-units.ts'
import { commandLine } from '../support/command-line.ts'

const ENV = `SERVER_ID=web1
S3_SERVER_1_ENDPOINT=s3.example.com
S3_SERVER_1_REGION=eu
S3_SERVER_1_ACCESS_KEY=AKIAEXAMPLE
S3_SERVER_1_SECRET_KEY_FILE=secret key
S3_SERVER_1_BUCKET=backups
S3_SERVER_2_ENDPOINT=file:///mnt/usb
SOURCE_1_NAME=etc
SOURCE_1_PATH=/etc
SCHEDULE="30 2 1 * 1"
`

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasSystemd) console.warn('SKIPPED: systemd-analyze is not here, so no unit is verified')

let folder: string
beforeEach(() => {
  // Every character that a unit must escape, on the way to all of its paths.
  folder = mkdtempSync(join(tmpdir(), 'units 50%h $HOME "q" \\x '))
  writeFileSync(join(folder, '.env'), ENV, { mode: 0o600 })
  writeFileSync(join(folder, 'secret key'), 'topsecret\n', { mode: 0o600 })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('prints the units to standard output and what to do next beside it', async () => {
  const { exit, out, err, opened } = await systemd()

  expect([exit, opened]).toEqual([0, []])
  expect(out.filter((line) => line.startsWith('# /etc/systemd/system/'))).toEqual([
    '# /etc/systemd/system/spillway.service',
    '# /etc/systemd/system/spillway.timer',
    '# /etc/systemd/system/spillway-failure@.service',
  ])
  expect(out).toContain('OnCalendar=Mon *-*-* 02:30:00')
  expect(out.join('\n')).toContain('-/mnt/usb')
  const said = err.join('\n')
  expect(said).toContain('The service runs as root')
  expect(said).toContain(`  install -d -m 0700 '${folder}/data'`)
  expect(said).toContain('  systemctl daemon-reload\n  systemctl enable --now spillway.timer')
  // Nothing was written, and no secret was printed.
  expect(readdirSync(folder).toSorted()).toEqual(['.env', 'secret key'])
  expect([...out, ...err].join('\n')).not.toMatch(/AKIAEXAMPLE|topsecret/)
})

it('lets it write METRICS_FILE, whose folder may be absent', async () => {
  const before = (await systemd()).out.join('\n')
  writeFileSync(join(folder, '.env'), `${ENV}METRICS_FILE=/var/lib/prom/spillway.prom\n`)
  const after = (await systemd()).out.join('\n')
  expect(before).not.toContain('/var/lib/prom')
  expect(after).toMatch(/^ReadWritePaths=.* -\/mnt\/usb -\/var\/lib\/prom$/m)
})

it('hands over the key of sealed values once there is one', async () => {
  expect((await systemd()).out.join('\n')).not.toContain('spillway-key')
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data/seal.key'), 'any', { mode: 0o600 })
  const credential = (await systemd()).out.find((line) => line.includes('=spillway-key:'))
  expect(credential).toBe(`LoadCredential=spillway-key:${folder.replace('%', '%%')}/data/seal.key`)
})

it('hands over every secret that lies in a file of its own, and no other file', async () => {
  writeFileSync(join(folder, 'hook'), 'https://chat.example/hook\n', { mode: 0o600 })
  const more = ['NOTIFY_1_URL_FILE=hook', 'METRICS_FILE=/tmp/m.prom']
  writeFileSync(join(folder, '.env'), `${ENV}${more.join('\n')}\n`)
  const { exit, out, err } = await systemd()
  expect(exit, err.join('\n')).toBe(0)
  const handed = out.flatMap((line) => /^Environment=(\S+_FILE)=/.exec(line)?.[1] ?? [])
  expect(handed).toEqual(['S3_SERVER_1_SECRET_KEY_FILE', 'NOTIFY_1_URL_FILE'])
})

it('writes RANDOM_DELAY_MINUTES into the timer', async () => {
  expect((await systemd()).out).toContain('RandomizedDelaySec=5min')
  writeFileSync(join(folder, '.env'), `${ENV}RANDOM_DELAY_MINUTES=0\n`)
  expect((await systemd()).out.join('\n')).not.toContain('RandomDelay')
})

it('leaves schedules of single sources to the daemon', async () => {
  writeFileSync(join(folder, '.env'), `${ENV}SOURCE_1_SCHEDULE="0 * * * *"\n`)
  const { exit, out, err } = await systemd()
  expect([exit, out]).toEqual([4, []])
  expect(err.join('\n')).toContain('a timer cannot follow SOURCE_1_SCHEDULE as well')
  expect(err.join('\n')).toContain('spillway systemd --daemon')
  expect((await systemd('--daemon')).exit).toBe(0)
})

it('lets the daemon write the env file, which it does beside it, and the nightly run not', async () => {
  const data = { DATA_DIR: '/srv/spillway', SPOOL_DIR: '/srv/spillway/spool' }
  const more = Object.entries(data).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(join(folder, '.env'), ENV + more.join(''))
  const writable = async (...args: string[]): Promise<string | undefined> =>
    (await systemd(...args)).out.join('\n').match(/^ReadWritePaths=.*$/m)?.[0]
  expect(await writable('--daemon')).toMatch(
    /^ReadWritePaths=\/srv\/spillway "[^ ]+\/units 50%%h .*" -\/mnt\/usb$/,
  )
  expect(await writable()).toBe('ReadWritePaths=/srv/spillway -/mnt/usb')
})

it('runs this Node and this program', async () => {
  const { out } = await systemd()
  const start = out.find((line) => line.startsWith('ExecStart=')) ?? ''
  expect(start).toContain(process.execPath)
  expect(start).toContain('/dist/src/main.js')
})

it('installs units that everybody may read, once, and leaves no half of one', async () => {
  const to = join(folder, 'units')

  const first = await systemd('--install', `--to=${to}`)
  expect(first).toMatchObject({ exit: 0, err: [] })
  expect(first.out[0]).toBe(`wrote     ${to}/spillway.service`)
  expect(readdirSync(to).toSorted()).toEqual([
    'spillway-failure@.service',
    'spillway.service',
    'spillway.timer',
  ])
  expect(statSync(join(to, 'spillway.service')).mode & 0o777).toBe(0o644)

  const again = await systemd('--install', `--to=${to}`)
  expect(again.out[0]).toBe(`unchanged ${to}/spillway.service`)

  writeFileSync(join(to, 'spillway.timer'), 'edited')
  const third = await systemd('--install', `--to=${to}`)
  expect(third.out[1]).toBe(`wrote     ${to}/spillway.timer`)
  expect(readFileSync(join(to, 'spillway.timer'), 'utf8')).toContain('OnCalendar=')
})

it.each([
  [[], '/etc/systemd/system'],
  [['--user'], join(homedir(), '.config/systemd/user')],
])('tells how units written elsewhere come to systemd %j', async (args, target) => {
  const { out } = await systemd('--install', `--to=${join(folder, 'units')}`, ...args)
  const files = ['spillway.service', 'spillway.timer', 'spillway-failure@.service']
  const quoted = files.map((name) => `'${folder}/units/${name}'`).join(' ')
  expect(out).toContain(`  install -m 0644 ${quoted} ${target}`)
  expect(out.join('\n')).not.toContain('systemd --install')
})

it('takes the number of a user, whom a directory service may know', async () => {
  expect((await systemd('--run-as=54321')).out).toContain('User=54321')
  expect((await systemd('--run-as=0')).out.join('\n')).not.toMatch(/^User=/m)
})

it('says what is wrong when it may not write there', async () => {
  writeFileSync(join(folder, 'file'), '')
  const { exit, err } = await systemd('--install', `--to=${join(folder, 'file/units')}`)
  expect(exit).toBe(4)
  expect(err[0]).toMatch(/cannot write .*spillway\.service: ENOTDIR.* \[UNITS_NOT_WRITTEN\]$/)
})

it.each([
  [['--run-as=root; rm -rf /'], /--run-as must be the name of a user/],
  [['--run-as=backup', '--user'], /exclude each other/],
  [['--run-as=nosuchuser'], /\/etc\/passwd has no user "nosuchuser"/],
  [['--to=/no/such/folder'], /--to needs --install/],
  [['extra'], /takes no operand/],
])('refuses %j', async (args, message) => {
  const { exit, err } = await systemd(...args)
  expect(exit).toBe(2)
  expect(err[0]).toMatch(message)
})

it('refuses settings that the run would refuse', async () => {
  chmodSync(join(folder, '.env'), 0o644)
  expect((await systemd()).exit).toBe(4)
})

it('follows the folders of the env file, each once', async () => {
  const env = `${ENV}DATA_DIR=/srv/spillway\nSPOOL_DIR=/big/spool\nCATALOG_URL=sqlite:/srv/spillway/db/c.db\n`
  writeFileSync(join(folder, '.env'), env, { mode: 0o600 })
  const { out } = await systemd()
  expect(out).toContain('ReadWritePaths=/srv/spillway /big/spool -/mnt/usb')
})

it('reads the env file as the service will: without the environment of this shell', async () => {
  process.env['SCHEDULE'] = '0 0 * * *'
  try {
    expect((await systemd()).out).toContain('OnCalendar=Mon *-*-* 02:30:00')
  } finally {
    delete process.env['SCHEDULE']
  }
})

// The real judge of a unit.
describe.skipIf(!hasSystemd)('systemd', () => {
  it.each([
    ['as root', []],
    ['as a user who reads everything', ['--run-as=daemon']],
    ['as a user by number', ['--run-as=54321']],
    ['of a user', ['--user']],
  ])('accepts the units %s, without a word', async (_what, args) => {
    const { to } = await installed(...args)
    const manager = args.includes('--user') ? ['--user'] : []
    expect(verify(to, ...manager)).toEqual({ status: 0, stderr: '' })
  })

  it.each([
    ['spillway.service', []],
    ['spillway.service', ['--run-as=daemon']],
    ['spillway-failure@.service', []],
    ['spillway-daemon.service', ['--daemon']],
    ['spillway-daemon.service', ['--daemon', '--run-as=daemon']],
  ])('finds %s %j well protected: exposure 4.0 or better', async (name, args) => {
    const { to } = await installed(...args)
    const security = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=40', '--no-pager', name],
      { cwd: to, encoding: 'utf8' },
    )
    expect(security.status, security.stdout + security.stderr).toBe(0)
    const [, exposure] = /exposure level for \S+: ([\d.]+)/.exec(security.stdout) ?? []
    expect(Number(exposure)).toBeLessThanOrEqual(4)
  })

  it('finds the program however its folder is called', () => {
    // Quotes and backslashes are refused by systemd itself, in the program's name alone.
    const bin = mkdtempSync(join(tmpdir(), 'bin 50%h $HOME größe '))
    const nodePath = join(bin, 'node')
    writeFileSync(nodePath, '#!/bin/sh\n', { mode: 0o755 })
    const paths = { nodePath, programPath: join(folder, 'main.js'), envFile: join(folder, '.env') }
    const input: UnitsInput = {
      ...{ job: 'nightly', scope: 'system', runAs: undefined, keyFiles: [], isRestoring: false },
      sealKeyFile: undefined,
      randomDelayMs: 300_000,
      ...{ optionalPaths: [], ...paths },
      ...{ writablePaths: [bin, folder], calendar: ['02:30'], calendarWords: 'every day at 02:30' },
    }
    for (const { name, text } of systemdUnits(input)) writeFileSync(join(folder, name), text)
    expect(verify(folder)).toEqual({ status: 0, stderr: '' })

    // And would tell if it did not.
    const path = join(folder, 'spillway.service')
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('%%h', '%h'))
    expect(verify(folder)).toMatchObject({ status: 1 })
    rmSync(bin, { recursive: true })
  })

  it('understands the schedule', async () => {
    const { to } = await installed()
    const timer = readFileSync(join(to, 'spillway.timer'), 'utf8')
    const calendars = [...timer.matchAll(/^OnCalendar=(.*)$/gm)].map(([, line = '']) => line)
    expect(calendars).toHaveLength(2)
    for (const line of calendars)
      expect(spawnSync('systemd-analyze', ['calendar', line]).status, line).toBe(0)
  })
})

async function installed(...args: readonly string[]) {
  const to = join(folder, 'units')
  mkdirSync(to, { recursive: true })
  const { exit } = await systemd('--install', `--to=${to}`, ...args)
  expect(exit).toBe(0)
  return { to }
}

function verify(cwd: string, ...manager: readonly string[]) {
  const units = readdirSync(cwd).filter((name) => name.startsWith('spillway'))
  const { status, stderr } = spawnSync(
    'systemd-analyze',
    [...manager, 'verify', '--man=no', ...units.map((name) => `./${name}`)],
    { cwd, encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: folder } },
  )
  return { status, stderr }
}

function systemd(...args: readonly string[]) {
  const open = () => Promise.reject(new Error('the units need no services'))
  const config = `--config=${join(folder, '.env')}`
  return commandLine([systemdCommand], open, ['systemd', config, ...args])
}
