// The systemd units of the nightly run: service, timer, and what speaks up when the run fails; and those of
// the daemon, which needs no timer.
//
// The sandbox must never hide a source: a folder that looks empty would be archived as empty. So
// homes are read-only instead of hidden, and /tmp is the real one. Everything is written with absolute
// paths, because a service has neither our working folder nor our PATH.

import { SEAL_KEY_CREDENTIAL } from '../config/seal-key.ts'
import { SpillwayError } from '../domain/errors.ts'

export type UnitsInput = {
  readonly job: 'nightly' | 'daemon'
  readonly scope: 'system' | 'user'
  /** undefined: root, or the user whose manager it is. */
  readonly runAs: string | undefined
  readonly nodePath: string
  /** The compiled main.js. */
  readonly programPath: string
  readonly envFile: string
  /** Folders that are written to and that must be there: data, spool, the catalog's, of restores. */
  readonly writablePaths: readonly string[]
  /** Of `file:` servers, whose disks may be absent, and of METRICS_FILE. */
  readonly optionalPaths: readonly string[]
  /** It restores as well, so it gives files to their owners. */
  readonly isRestoring: boolean
  /** Settings that name files with keys: handed over as systemd credentials. */
  readonly keyFiles: readonly { readonly variable: string; readonly path: string }[]
  /** What sealed values of the env file are opened with; undefined: there is no key. */
  readonly sealKeyFile: string | undefined
  /** Lines for OnCalendar=. */
  readonly calendar: readonly string[]
  /** The same in words. */
  readonly calendarWords: string
  /** Most by which the timer is late. */
  readonly randomDelayMs: number
}

export type Unit = { readonly name: string; readonly text: string }

export const SERVICE = 'spillway.service'
export const TIMER = 'spillway.timer'
export const DAEMON = 'spillway-daemon.service'
export const FAILURE = 'spillway-failure@.service'

export function systemdUnits(input: UnitsInput): readonly Unit[] {
  for (const path of pathsOf(input)) requireNameable(path)
  // However quoted, systemd starts no program whose path has quotes or backslashes in it.
  requireNameable(input.nodePath, /["'\\]/)
  const failure = { name: FAILURE, text: failureText(input) }
  if (input.job === 'daemon') return [{ name: DAEMON, text: daemonText(input) }, failure]
  return [
    { name: SERVICE, text: serviceText(input) },
    { name: TIMER, text: timerText(input) },
    failure,
  ]
}

export function serviceOf({ job }: Pick<UnitsInput, 'job'>): string {
  return job === 'daemon' ? DAEMON : SERVICE
}

function serviceText(input: UnitsInput): string {
  return unit([
    '# The nightly run of Spillway, written by "spillway systemd".',
    ...unitLines(input, 'archive every source to the first server with room'),
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${commandLine(input, 'run')}`,
    '# 3 is "done, with warnings": the archives are stored. To be alarmed by warnings as well,',
    '# put an empty "SuccessExitStatus=" into a drop-in.',
    'SuccessExitStatus=3',
    ...userLines(input),
    ...credentialLines(input),
    '',
    '# Servers have their own time limits (spillway --help); this one is for a source that hangs,',
    '# as a dead network mount does: it ends before the next night.',
    'TimeoutStartSec=23h',
    ...processLines(input),
  ])
}

function daemonText(input: UnitsInput): string {
  return unit([
    '# The daemon of Spillway, written by "spillway systemd --daemon".',
    ...unitLines(input, 'run the schedule and answer HTTP'),
    "# Two that follow the same schedule would only be in each other's way.",
    `Conflicts=${TIMER}`,
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=main',
    `ExecStart=${commandLine(input, 'serve')}`,
    'Restart=on-failure',
    'RestartSec=30',
    '# A catalog that is brought up to a new version may take its time.',
    'TimeoutStartSec=10min',
    '# It tells that it is alive every minute; a daemon that hangs is started anew.',
    'WatchdogSec=2min',
    ...userLines(input),
    ...credentialLines(input),
    '',
    ...processLines(input),
    '',
    '[Install]',
    `WantedBy=${input.scope === 'system' ? 'multi-user.target' : 'default.target'}`,
  ])
}

function unitLines(input: UnitsInput, purpose: string): readonly string[] {
  return [
    `# It runs as ${userWords(input)}. Changes belong in a drop-in: ${ctl(input)} edit ${serviceOf(input)}`,
    '[Unit]',
    `Description=Spillway: ${purpose}`,
    // A user's manager knows nothing of the network; servers that are not reached yet are tried again.
    ...(input.scope === 'system'
      ? ['Wants=network-online.target', 'After=network-online.target']
      : []),
    `RequiresMountsFor=${input.writablePaths.map(quote).join(' ')}`,
    'OnFailure=spillway-failure@%n.service',
  ]
}

function processLines(input: UnitsInput): readonly string[] {
  return [
    '# The first SIGTERM makes the run stop in order: parts under way end, the catalog is settled.',
    'TimeoutStopSec=120',
    'KillMode=mixed',
    'Nice=10',
    'IOSchedulingClass=best-effort',
    'IOSchedulingPriority=7',
    'SyslogIdentifier=spillway',
    '# Archives, catalog and core dumps hold what only their owner may read.',
    'UMask=0077',
    'LimitCORE=0',
    '# Worker threads of Node, libuv and zstd: a few dozen.',
    'TasksMax=256',
    '',
    ...(input.scope === 'system' ? systemSandbox(input) : []),
    ...commonSandbox(input),
  ]
}

function capabilityLines({ runAs, isRestoring }: UnitsInput): readonly string[] {
  if (runAs !== undefined)
    return ['# To read every source.', 'CapabilityBoundingSet=CAP_DAC_READ_SEARCH']
  return [
    '# Of what root may do: read every source, and write to the folders above whoever owns them',
    '# (a disk with FAT belongs to the user who mounted it).',
    'CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE',
    ...(isRestoring
      ? ['# To restore owners and modes.', 'CapabilityBoundingSet=CAP_CHOWN CAP_FOWNER CAP_FSETID']
      : []),
  ]
}

/** Needs root: mounts, capabilities, devices. */
function systemSandbox(input: UnitsInput): readonly string[] {
  const writable = [
    ...input.writablePaths.map(quote),
    // A disk that is not there must not keep the other servers from being used.
    ...input.optionalPaths.map((path) => quote(`-${path}`)),
  ]
  return [
    '# Everything is read-only but these; nothing is hidden, because sources may lie anywhere:',
    '# never set ProtectHome=yes, PrivateTmp=yes or TemporaryFileSystem= here.',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    'PrivateTmp=no',
    `ReadWritePaths=${writable.join(' ')}`,
    ...capabilityLines(input),
    'PrivateDevices=yes',
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectControlGroups=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectProc=invisible',
  ]
}

function commonSandbox({ isRestoring }: Pick<UnitsInput, 'isRestoring'>): readonly string[] {
  return [
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    ...(isRestoring ? [] : ['RestrictSUIDSGID=yes']),
    'RestrictNamespaces=yes',
    '# Netlink is how name look-ups learn which addresses this machine has.',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~@privileged @resources',
    ...(isRestoring ? ['# Restored files get their owners back.', 'SystemCallFilter=@chown'] : []),
    'SystemCallErrorNumber=EPERM',
    "# Node's compiler writes the code that it runs: with yes it would end at its start.",
    'MemoryDenyWriteExecute=no',
  ]
}

function userLines({ scope, runAs }: UnitsInput): readonly string[] {
  if (scope === 'user' || runAs === undefined) return []
  return [
    `User=${runAs}`,
    '# Reads every source although it is not root.',
    'AmbientCapabilities=CAP_DAC_READ_SEARCH',
  ]
}

/** A key file's setting becomes the credential's name, which Spillway looks up in the right folder. */
function credentialLines({ scope, keyFiles, sealKeyFile }: UnitsInput): readonly string[] {
  // A user's manager has credentials only from systemd 256 on; there the files are read as they are.
  if (scope === 'user') return []
  return [
    ...keyFiles.flatMap(({ variable, path }) => [
      `LoadCredential=${variable}:${escapeSpecifiers(path)}`,
      `Environment=${variable}=${variable}`,
    ]),
    ...(sealKeyFile === undefined
      ? []
      : [
          '# Opens what "spillway seal" has sealed; of a key in the TPM: LoadCredentialEncrypted=.',
          `LoadCredential=${SEAL_KEY_CREDENTIAL}:${escapeSpecifiers(sealKeyFile)}`,
        ]),
  ]
}

function timerText(input: UnitsInput): string {
  return unit([
    `# Starts ${SERVICE} ${input.calendarWords}, from SCHEDULE in`,
    `# ${input.envFile}`,
    '# After a change of SCHEDULE write it again with "spillway systemd".',
    '[Unit]',
    `Description=Spillway: ${input.calendarWords}`,
    '',
    '[Timer]',
    ...input.calendar.map((line) => `OnCalendar=${line}`),
    '# A machine that was off at that time runs as soon as it is up.',
    'Persistent=true',
    ...(input.randomDelayMs === 0
      ? []
      : [
          '# So that a fleet does not come to one server in the same second; the same delay every night:',
          '# RANDOM_DELAY_MINUTES.',
          `RandomizedDelaySec=${input.randomDelayMs / 60_000}min`,
          'FixedRandomDelay=true',
        ]),
    '',
    '[Install]',
    'WantedBy=timers.target',
  ])
}

/** Runs no program of ours: what failed may be Node itself, or a disk that Spillway lies on. */
function failureText(input: UnitsInput): string {
  const journal = input.scope === 'user' ? 'journalctl --user' : 'journalctl'
  const message =
    `%i FAILED (exit code \${MONITOR_EXIT_STATUS}): archives of this night may be missing. ` +
    `See: ${journal} -u %i -n 50, and: spillway status`
  return unit([
    '# Started when a run fails. Writes to the journal with priority "err", where monitoring finds it:',
    `#   ${journal} -p err -t spillway`,
    `# To be told in another way as well, name a unit of your own in a drop-in of ${SERVICE}:`,
    '#   [Unit]',
    '#   OnFailure=my-mail@%n.service',
    '[Unit]',
    'Description=Spillway: tell that %i failed',
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=/bin/echo "${message}"`,
    'SyslogIdentifier=spillway',
    'SyslogLevel=err',
    ...(input.scope === 'system' ? ECHO_SANDBOX : []),
    ...commonSandbox({ isRestoring: false }).filter(
      (line) => !line.startsWith('#') && !line.startsWith('MemoryDeny'),
    ),
  ])
}

// It writes one line and needs nothing at all.
const ECHO_SANDBOX: readonly string[] = [
  'DynamicUser=yes',
  'CapabilityBoundingSet=',
  'PrivateNetwork=yes',
  'PrivateDevices=yes',
  'ProtectHome=yes',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectProc=invisible',
]

/** `root`, `user backup`, `you`: for comments and messages. */
export function userWords({ scope, runAs }: Pick<UnitsInput, 'scope' | 'runAs'>): string {
  if (scope === 'user') return 'the user whose systemd this is'
  return runAs === undefined ? 'root, because sources are readable by root' : `user ${runAs}`
}

export function ctl({ scope }: Pick<UnitsInput, 'scope'>): string {
  return scope === 'user' ? 'systemctl --user' : 'systemctl'
}

function commandLine({ nodePath, programPath, envFile }: UnitsInput, command: string): string {
  // The program itself is not searched for variables, its arguments are.
  const rest = [programPath, command, `--config=${envFile}`]
  return [quote(nodePath), ...rest.map((text) => quote(text.replaceAll('$', '$$$$')))].join(' ')
}

/** As systemd reads a word of a list: quoted, with C escapes, and specifiers that begin with "%". */
function quote(text: string): string {
  const escaped = escapeSpecifiers(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return /^[A-Za-z0-9_./:=%+@,-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}

function pathsOf(input: UnitsInput): readonly string[] {
  return [
    input.nodePath,
    input.programPath,
    input.envFile,
    ...input.writablePaths,
    ...input.optionalPaths,
    ...input.keyFiles.map(({ path }) => path),
    ...(input.sealKeyFile === undefined ? [] : [input.sealKeyFile]),
  ]
}

/** systemd takes paths that are absolute and have no control characters, however they are quoted. */
function requireNameable(path: string, refused = /\p{Cc}/u): void {
  // A backslash at the end of a line joins it with the next one, where there are no quotes.
  if (path.startsWith('/') && !refused.test(path) && !path.endsWith('\\')) return
  throw new SpillwayError('CONFIG_INVALID', `no systemd unit can name the path "${path}"`, {
    hint: 'use a path without line breaks, control characters, quotes and backslashes',
  })
}

function unit(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}
