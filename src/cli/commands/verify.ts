// spillway verify: are the copies what was stored, and does every byte of them come back?

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { formatCount, painter, plural, printTable } from '../output.ts'
import type { Style } from '../output.ts'
import type { Cell } from '../table.ts'
import { oneLine } from '../text.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Config } from '../../domain/config.ts'
import { SpillwayError } from '../../domain/errors.ts'
import { formatBytes, formatSeconds } from '../../domain/sizes.ts'
import type { OpenStorage } from '../../operations/server-pool.ts'
import { verify } from '../../operations/verify.ts'
import type { VerifiedCopy, VerifyProblem, VerifyReport } from '../../operations/verify-report.ts'
import { VerifyServers } from '../../operations/verify-servers.ts'
import { noCatalog } from '../no-catalog.ts'

/** Only what this command needs: the real services have more. */
export type VerifyCommandServices = {
  readonly config: Config
  readonly catalogIfPresent: () => Promise<Catalog | undefined>
  readonly openStorage: () => Promise<OpenStorage>
}

// Names of members that a person reads; --json has all of them.
const MEMBERS_SHOWN = 10

// Less than that would be eaten by reading the ends of copies, and prove nothing.
const BUDGET_BYTES_MIN = 16_000_000

export const verifyCommand = defineCommand({
  ...COMMAND_TITLES.verify,
  details: [
    'Asks the servers for every copy: is it there, with our write token and its size. With --deep every ' +
      'byte is read back: frames against their checksums, members against the index, everything ' +
      'against the catalog. What is damaged is named: archive, server, frame, members. Nothing is ' +
      'changed on a server.',
    '--budget=5GB reads no more than that, beginning with what was never read back or is longest ago; ' +
      'the next time goes on from there. With VERIFY_NIGHTLY_GB every run does so by itself.',
  ],
  flags: {
    deep: { type: 'boolean', help: 'read every byte back' },
    budget: {
      type: 'string',
      placeholder: 'SIZE',
      help: 'with --deep: read at most that, as in 5GB',
    },
    source: { type: 'string', placeholder: 'NAME', help: 'only archives of this source' },
    json: JSON_FLAG,
  },
  examples: [
    'spillway verify',
    'spillway verify latest:www --deep',
    'spillway verify --deep --budget=5GB',
  ],

  async run(flags, operands, io: Io<VerifyCommandServices>) {
    const budgetBytes = budgetOf(flags.budget, flags.deep)
    const { config, catalogIfPresent, openStorage } = await io.services()
    const catalog = await catalogIfPresent()
    if (catalog === undefined) throw noCatalog(config)
    const servers = new VerifyServers(openStorage)
    const live = openLive(io, budgetBytes)
    try {
      const report = await verify(
        { config, catalog, storageOf: servers.storageOf, onProgress: live.show },
        { archives: operands, source: flags.source, isDeep: flags.deep, budgetBytes },
        io.signal,
      )
      live.close()
      if (flags.json) io.printJson(report)
      else printReport(io, report)
      return report.exit
    } finally {
      live.close()
      servers.close()
    }
  },
})

const UNITS: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, TB: 1e12 }

/** `5GB`, `0.5 GB`, `800MB`. */
function budgetOf(text: string | undefined, isDeep: boolean): number | undefined {
  if (text === undefined) return undefined
  if (!isDeep) throw usage('--budget is a limit for --deep: give both')
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,9})?) ?(MB|GB|TB)$/i.exec(text) ?? []
  const bytes = Math.floor(Number(number) * (UNITS[unit.toUpperCase()] ?? 0))
  if (number === '') throw usage(`--budget must be a size as in 5GB or 800MB, got "${text}"`)
  if (bytes < BUDGET_BYTES_MIN)
    throw usage(`--budget must be at least ${formatBytes(BUDGET_BYTES_MIN)}, got "${text}"`)
  return bytes
}

function usage(reason: string): SpillwayError {
  return new SpillwayError('USAGE', `verify: ${reason}`, { hint: 'see: spillway verify --help' })
}

// Faster than an eye can read would only cost time.
const DRAW_EVERY_MS = 200

function openLive(io: Io<unknown>, budgetBytes: number | undefined) {
  const startedMs = io.now().getTime()
  let drawnMs = 0
  return {
    show: ({ task, readBytes }: { task: { archive: { file: string } }; readBytes: number }) => {
      const nowMs = io.now().getTime()
      if (!io.err.isTerminal || nowMs - drawnMs < DRAW_EVERY_MS) return
      drawnMs = nowMs
      const of = budgetBytes === undefined ? '' : ` of ${formatBytes(budgetBytes)}`
      const seconds = formatSeconds((nowMs - startedMs) / 1_000)
      io.showLive([
        `verifying ${oneLine(task.archive.file)}: ${formatBytes(readBytes)}${of} read in ${seconds}`,
      ])
    },
    close: () => io.showLive([]),
  }
}

const STYLES: Readonly<Record<VerifiedCopy['outcome'], Style>> = {
  proven: 'good',
  rewritten: 'warning',
  unasked: 'warning',
  missing: 'bad',
  replaced: 'bad',
  damaged: 'bad',
}

function printReport(io: Io<unknown>, report: VerifyReport): void {
  const { archives, hints, problems, warnings } = report
  if (archives.length === 0) {
    io.print('No archive has a copy on a server.')
    return
  }
  printTable(io, {
    columns: [
      { title: 'ARCHIVE', widthMin: 26 },
      { title: 'SERVER', widthMin: 12 },
      { title: 'COPY' },
      { title: 'READ BACK', align: 'right' },
      { title: 'OLDEST PROOF (UTC)' },
    ],
    rows: archives.flatMap(({ file, copies }) => copies.map((copy) => rowOf(file, copy))),
  })
  const paint = painter(io.out)
  for (const problem of problems) {
    io.print('')
    for (const line of problemLines(problem)) io.print(paint('bad', line))
  }
  if (warnings.length > 0 || hints.length > 0) io.print('')
  for (const warning of warnings) io.print(paint('warning', `! ${oneLine(warning)}`))
  for (const hint of hints) io.print(`-> ${oneLine(hint)}`)
  io.print('')
  printSummary(io, report)
}

function rowOf(file: string, copy: VerifiedCopy): Cell[] {
  const { label, outcome, frames, provenFrames, deepVerifiedAt } = copy
  return [
    file,
    label,
    { text: outcome, style: STYLES[outcome] },
    frames === null ? '-' : `${Math.floor((provenFrames / frames) * 100)} %`,
    deepVerifiedAt?.slice(0, 10) ?? '-',
  ]
}

function problemLines(problem: VerifyProblem): readonly string[] {
  const { file, label, frame, fromByte, toByte, place, memberCount, members, knownSince } = problem
  const since = knownSince === null ? '' : ` (known since ${knownSince.slice(0, 10)})`
  const what = `${problem.what}${since}`
  const where = frame === null ? '' : `frame ${frame}, `
  const bytes = place === 'object' ? '' : `, ${where}bytes ${fromByte} to ${toByte - 1}`
  const lines = [`${oneLine(file)} on ${oneLine(label)}${bytes}: ${oneLine(what)}`]
  if (place === 'object') return lines
  if (memberCount === null) return [...lines, '  which members lie there cannot be told']
  if (memberCount === 0) return [...lines, '  no content of a member lies there']
  lines.push(`  ${plural(memberCount, 'member')} with bytes there:`)
  for (const member of members.slice(0, MEMBERS_SHOWN)) lines.push(`    ${oneLine(member)}`)
  const more = memberCount - Math.min(members.length, MEMBERS_SHOWN)
  if (more > 0) lines.push(`    ... and ${formatCount(more)} more (--json names them)`)
  return lines
}

function printSummary(io: Io<unknown>, report: VerifyReport): void {
  const { archives, problems, deep, readBytes, isBudgetSpent, seconds, outcome, exit } = report
  const copies = archives.flatMap((archive) => archive.copies)
  const proven = copies.filter((copy) => copy.outcome === 'proven').length
  const words = [
    `${plural(proven, 'copy', 'copies')} of ${formatCount(copies.length)} proven`,
    ...(problems.length > 0 ? [plural(problems.length, 'problem')] : []),
    ...(deep ? [`${formatBytes(readBytes)} read back`] : []),
    ...(isBudgetSpent ? ['the budget is spent: the next time goes on from here'] : []),
  ]
  const style: Style = exit === 0 ? 'good' : exit === 3 ? 'warning' : 'bad'
  const text = `${outcome}: ${words.join(', ')}, in ${formatSeconds(seconds)} (exit ${exit})`
  io.print(painter(io.out)(style, text))
}
