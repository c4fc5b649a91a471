import { describe, expect, it } from 'vitest'
import {
  DAEMON,
  FAILURE,
  SERVICE,
  systemdUnits,
  TIMER,
} from '../../src/operations/systemd-units.ts'
import type { UnitsInput } from '../../src/operations/systemd-units.ts'

const INPUT: UnitsInput = {
  job: 'nightly',
  isRestoring: false,
  scope: 'system',
  runAs: undefined,
  nodePath: '/usr/bin/node',
  programPath: '/opt/spillway/dist/src/main.js',
  envFile: '/etc/spillway/.env',
  writablePaths: ['/var/lib/spillway'],
  optionalPaths: [],
  keyFiles: [],
  sealKeyFile: undefined,
  randomDelayMs: 300_000,
  calendar: ['*-*-* 02:30:00'],
  calendarWords: 'every day at 02:30',
}

describe('the service', () => {
  it('starts with absolute paths, because a service has neither our folder nor our PATH', () => {
    expect(service()).toContain(
      '\nExecStart=/usr/bin/node /opt/spillway/dist/src/main.js run --config=/etc/spillway/.env\n',
    )
  })

  it('never hides a source', () => {
    for (const text of [service(), service({ scope: 'user' })]) {
      const settings = lines(text)
      expect(
        settings.filter((line) => /^(TemporaryFileSystem|InaccessiblePaths|RootDir)/.test(line)),
      ).toEqual([])
      expect(settings).not.toContain('ProtectHome=yes')
      expect(settings).not.toContain('ProtectHome=tmpfs')
      expect(settings).not.toContain('PrivateTmp=yes')
      expect(settings).not.toContain('MemoryDenyWriteExecute=yes')
    }
    expect(lines(service())).toEqual(
      expect.arrayContaining(['ProtectHome=read-only', 'PrivateTmp=no', 'ProtectSystem=strict']),
    )
  })

  it('takes warnings for success, and a run that waits for nobody else for none', () => {
    expect(lines(service())).toContain('SuccessExitStatus=3')
  })

  it('is stopped in order: only the main process, with two minutes to settle', () => {
    expect(lines(service())).toEqual(
      expect.arrayContaining(['KillMode=mixed', 'TimeoutStopSec=120', 'TimeoutStartSec=23h']),
    )
  })

  it('runs as root without the rights of root, or as a user who reads everything', () => {
    const root = lines(service())
    expect(root).toContain('CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE')
    expect(root.filter((line) => /^(User|AmbientCap)/.test(line))).toEqual([])
    expect(service()).toContain('# It runs as root,')

    const user = lines(service({ runAs: 'backup' }))
    expect(user).toEqual(
      expect.arrayContaining([
        'User=backup',
        'AmbientCapabilities=CAP_DAC_READ_SEARCH',
        'CapabilityBoundingSet=CAP_DAC_READ_SEARCH',
      ]),
    )
  })

  it('may write where it must, and is not stopped by a disk that is absent', () => {
    const text = service({
      writablePaths: ['/var/lib/spillway', '/mnt/big disk/spool'],
      optionalPaths: ['/mnt/usb'],
    })
    expect(lines(text)).toContain(
      'ReadWritePaths=/var/lib/spillway "/mnt/big disk/spool" -/mnt/usb',
    )
    expect(lines(text)).toContain('RequiresMountsFor=/var/lib/spillway "/mnt/big disk/spool"')
  })

  it('gets keys from files as credentials', () => {
    const keyFiles = [{ variable: 'S3_SERVER_1_SECRET_KEY_FILE', path: '/etc/spillway/secret key' }]
    expect(lines(service({ keyFiles }))).toEqual(
      expect.arrayContaining([
        'LoadCredential=S3_SERVER_1_SECRET_KEY_FILE:/etc/spillway/secret key',
        'Environment=S3_SERVER_1_SECRET_KEY_FILE=S3_SERVER_1_SECRET_KEY_FILE',
      ]),
    )
    expect(service({ keyFiles, scope: 'user' })).not.toContain('LoadCredential')
  })

  it('gets the key of sealed values, where there is one', () => {
    const sealKeyFile = '/var/lib/50%/seal.key'
    expect(lines(service({ sealKeyFile }))).toContain(
      'LoadCredential=spillway-key:/var/lib/50%%/seal.key',
    )
    expect(service({ sealKeyFile, scope: 'user' })).not.toContain('LoadCredential')
    expect(service()).not.toContain('LoadCredential')
  })

  it('of a user asks nothing of systemd that only root may have', () => {
    const text = service({ scope: 'user' })
    expect(text).not.toMatch(/^(Protect|ReadWrite|Capability|User|PrivateDevices|After|Wants)/m)
    expect(lines(text)).toContain('NoNewPrivileges=yes')
  })

  it.each([
    ['a blank', '/opt/my app/main.js', '"/opt/my app/main.js"'],
    ['a percent sign', '/opt/50%/main.js', '/opt/50%%/main.js'],
    ['a dollar', '/opt/$HOME/main.js', '"/opt/$$HOME/main.js"'],
    ['a quote', '/opt/"x"/main.js', '"/opt/\\"x\\"/main.js"'],
    ['a backslash', '/opt/a\\b/main.js', '"/opt/a\\\\b/main.js"'],
    ['letters beyond ASCII', '/opt/größe/main.js', '"/opt/größe/main.js"'],
    ['an apostrophe', "/opt/o'k/main.js", `"/opt/o'k/main.js"`],
  ])('names a program with %s in its path', (_what, programPath, word) => {
    expect(service({ programPath })).toContain(`\nExecStart=/usr/bin/node ${word} run --config=`)
  })

  it.each([
    ['nodePath', '/opt/a\nExecStart=/bin/evil'],
    ['nodePath', '/opt/"node"'],
    ['envFile', '/etc/\x07'],
    ['envFile', 'relative/.env'],
    ['envFile', '/etc/ends\\'],
  ])('refuses %s %j, which no unit can name', (field, path) => {
    expect(() => systemdUnits({ ...INPUT, [field]: path })).toThrow('no systemd unit can name')
  })
})

describe('the timer', () => {
  it('has every line of the schedule, and catches up after a night without power', () => {
    const text = unitOf(TIMER, {
      calendar: ['*-*-01 02:30:00', 'Mon *-*-* 02:30:00'],
      calendarWords: 'on day 1 of the month or on Monday at 02:30',
    })
    expect(lines(text)).toEqual([
      '[Unit]',
      'Description=Spillway: on day 1 of the month or on Monday at 02:30',
      '[Timer]',
      'OnCalendar=*-*-01 02:30:00',
      'OnCalendar=Mon *-*-* 02:30:00',
      'Persistent=true',
      'RandomizedDelaySec=5min',
      'FixedRandomDelay=true',
      '[Install]',
      'WantedBy=timers.target',
    ])
  })
})

describe('a failed run', () => {
  it('starts a unit that needs none of our programs, and writes with priority "err"', () => {
    expect(lines(service())).toContain('OnFailure=spillway-failure@%n.service')
    const text = unitOf(FAILURE)
    expect(lines(text)).toContain('SyslogLevel=err')
    expect(text).toMatch(/^ExecStart=\/bin\/echo "%i FAILED /m)
    expect(text).not.toContain('node')
  })
})

function service(more: Partial<UnitsInput> = {}): string {
  return unitOf(SERVICE, more)
}

function unitOf(name: string, more: Partial<UnitsInput> = {}): string {
  return systemdUnits({ ...INPUT, ...more }).find((unit) => unit.name === name)?.text ?? ''
}

/** What systemd reads: no comments, no empty lines. */
function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('the daemon', () => {
  const daemon = (more: Partial<UnitsInput> = {}): readonly string[] => {
    const units = systemdUnits({ ...INPUT, job: 'daemon', ...more })
    expect(units.map(({ name }) => name)).toEqual([DAEMON, FAILURE])
    return lines(units[0]!.text)
  }

  it('tells when it is ready and alive, is started anew when it fails, and needs no timer', () => {
    expect(daemon()).toEqual(
      expect.arrayContaining([
        'ExecStart=/usr/bin/node /opt/spillway/dist/src/main.js serve --config=/etc/spillway/.env',
        'Type=notify',
        'WatchdogSec=2min',
        'Restart=on-failure',
        'Conflicts=spillway.timer',
        'WantedBy=multi-user.target',
      ]),
    )
    expect(daemon({ scope: 'user' })).toContain('WantedBy=default.target')
    expect(daemon().filter((line) => line.startsWith('SuccessExitStatus'))).toEqual([])
  })

  it('may give files to their owners where it is to restore, and only there', () => {
    const allowed = [
      'CapabilityBoundingSet=CAP_CHOWN CAP_FOWNER CAP_FSETID',
      // @privileged has it, too: the last word counts.
      'SystemCallFilter=@chown',
    ]
    const [restoring, other] = [daemon({ isRestoring: true }), daemon()]
    expect(restoring).toEqual(expect.arrayContaining(allowed))
    expect(restoring.indexOf('SystemCallFilter=@chown')).toBeGreaterThan(
      restoring.indexOf('SystemCallFilter=~@privileged @resources'),
    )
    for (const line of allowed) expect(other).not.toContain(line)
    // setuid and setgid are modes like others, where files are restored.
    expect(restoring).not.toContain('RestrictSUIDSGID=yes')
    expect(other).toContain('RestrictSUIDSGID=yes')
  })
})
