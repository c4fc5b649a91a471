// The name, the summary and the operands of every command: what `spillway --help` shows, in its order.
//
// They stand apart from the commands because help and mistyped names must be answered at once, without
// loading twenty commands and all that they work with: main.ts says where each is loaded from.

import type { CommandTitle, Operands } from './command.ts'

const NO_OPERANDS: Operands = { usage: '', min: 0, max: 0 }

export const COMMAND_TITLES = {
  run: {
    name: 'run',
    summary: 'the nightly job: archive every source to the first server with room',
    operands: { usage: '[SOURCE...]', min: 0, max: undefined },
  },
  list: {
    name: 'list',
    summary: 'the archives of this host, newest first',
    operands: NO_OPERANDS,
  },
  status: {
    name: 'status',
    summary: 'servers with their room and health, last good archives, what waits',
    operands: NO_OPERANDS,
  },
  metrics: {
    name: 'metrics',
    summary: 'how things stand, for Prometheus',
    operands: NO_OPERANDS,
  },
  restore: {
    name: 'restore',
    summary: 'give back an archive, or some files of it, in a folder',
    operands: { usage: 'ARCHIVE [PATH...]', min: 1, max: undefined },
  },
  cat: {
    name: 'cat',
    summary: 'write one archived file to standard output',
    operands: { usage: 'ARCHIVE PATH', min: 2, max: 2 },
  },
  verify: {
    name: 'verify',
    summary: 'prove that the copies are what was stored; --deep reads them back',
    operands: { usage: '[ARCHIVE...]', min: 0, max: undefined },
  },
  find: {
    name: 'find',
    summary: 'find files across all archives, also while servers are away',
    operands: { usage: 'PATTERN', min: 1, max: 1 },
  },
  files: {
    name: 'files',
    summary: 'what is in one archive',
    operands: { usage: 'ARCHIVE [PATTERN]', min: 1, max: 2 },
  },
  history: {
    name: 'history',
    summary: 'when a file appeared, changed and went, and which archives have it',
    operands: { usage: 'PATH', min: 1, max: 1 },
  },
  diff: {
    name: 'diff',
    summary: 'what was added, removed and changed from one archive to another',
    operands: { usage: 'ARCHIVE ARCHIVE', min: 2, max: 2 },
  },
  prune: {
    name: 'prune',
    summary: 'delete the archives that no KEEP_* rule keeps',
    operands: { usage: '[SOURCE...]', min: 0, max: undefined },
  },
  pin: {
    name: 'pin',
    summary: 'keep archives whatever the retention rules say',
    operands: { usage: 'ARCHIVE...', min: 1, max: undefined },
  },
  unpin: {
    name: 'unpin',
    summary: 'put pinned archives under the retention rules again',
    operands: { usage: 'ARCHIVE...', min: 1, max: undefined },
  },
  copies: {
    name: 'copies',
    summary: 'copy archives that lie on fewer than COPIES servers to further ones',
    operands: NO_OPERANDS,
  },
  evacuate: {
    name: 'evacuate',
    summary: 'move every archive off a server, each proven elsewhere before it leaves',
    operands: { usage: 'N', min: 1, max: 1 },
  },
  reconcile: {
    name: 'reconcile',
    summary: 'compare the catalog with the servers, or fill an empty one from them',
    operands: NO_OPERANDS,
  },
  'self-test': {
    name: 'self-test',
    summary: 'check that every server is reachable and may be used',
    operands: { usage: '[N...]', min: 0, max: undefined },
  },
  'notify-test': {
    name: 'notify-test',
    summary: 'send a test message to everybody who is told of runs',
    operands: { usage: '[N...]', min: 0, max: undefined },
  },
  check: {
    name: 'check',
    summary: 'one line for a monitor: is there a good archive of every source?',
    operands: NO_OPERANDS,
  },
  configure: {
    name: 'configure',
    summary: 'set up servers, sources, schedule and retention: asks, or takes --set',
    operands: NO_OPERANDS,
  },
  seal: {
    name: 'seal',
    summary: 'seal the secrets in the env file with a key of this host',
    operands: NO_OPERANDS,
  },
  serve: {
    name: 'serve',
    summary: 'the daemon: runs the schedule, answers HTTP',
    operands: NO_OPERANDS,
  },
  token: {
    name: 'token',
    summary: 'who may use the HTTP API: create NAME, list, revoke NAME',
    operands: { usage: 'create|list|revoke [NAME]', min: 1, max: 2 },
  },
  systemd: {
    name: 'systemd',
    summary: 'print or install the service and the timer of the nightly run',
    operands: NO_OPERANDS,
  },
} as const satisfies Readonly<Record<string, CommandTitle>>
