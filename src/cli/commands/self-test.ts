// spillway self-test: is every server reachable, and may it be used as the nightly job will use it?

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { measured, selfTest, usageLine } from '../../operations/self-test.ts'
import { plural, printWrapped } from '../output.ts'
import { requireServers } from '../../config/parse.ts'
import { bucketOf } from '../../domain/server.ts'
import { formatBytes, formatSeconds } from '../../domain/sizes.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { Check } from '../../operations/check-server.ts'
import type { Io } from '../command.ts'
import type { MissingProgram, SelfTestReport, TestedServer } from '../../operations/self-test.ts'
import type { Services } from '../../operations/services.ts'

export const selfTestCommand = defineCommand({
  ...COMMAND_TITLES['self-test'],
  details: [
    'Looks for the programs that the sources name, and runs none of them. Does on each server what the nightly job does: stores an object in two parts, looks at it, reads a ' +
      'piece of it back, lists it, gives up an upload, deletes. Every trace is removed, but for the marker ' +
      'that a directory gets.',
    "Exits with 0 when all servers would take tonight's archive, 3 when only some would, 25 when none would.",
  ],
  flags: {
    json: JSON_FLAG,
    'config-only': { type: 'boolean', help: 'check the settings alone, ask no server' },
  },
  examples: ['spillway self-test', 'spillway self-test 2', 'spillway self-test --config-only'],

  async run(flags, operands, io: Io<Services>) {
    const { config, catalogIfPresent, openStorage } = await io.services()
    requireServers(config)
    if (flags['config-only']) {
      if (flags.json)
        io.printJson({ servers: config.servers.length, sources: config.sources.length, exit: 0 })
      else printConfigured(io, config.servers.length, config.sources.length)
      return 0
    }
    const services = {
      config,
      catalog: await catalogIfPresent(),
      openStorage: await openStorage(),
      nodeVersion: process.version,
    }
    const numbers = operands.map(serverNumber)
    if (!flags.json) io.print(`Configured S3 servers: ${config.servers.length}`)
    const onTested = (tested: TestedServer) => {
      io.showLive([])
      if (!flags.json) printServer(io, tested)
    }
    if (!flags.json) io.showLive(['  testing ...'])
    const report = await selfTest(services, { numbers, onTested }, io.signal)
    if (flags.json) io.printJson(jsonOf(report))
    else printSummary(io, report, config.servers.filter(({ isEnabled }) => isEnabled).length)
    return report.exit
  },
})

function serverNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new SpillwayError('USAGE', `self-test takes numbers of servers, got "${text}"`)
}

function printConfigured(io: Io<Services>, servers: number, sources: number): void {
  io.print(
    `The configuration is valid: ${plural(servers, 'server')}, ${plural(sources, 'source')}.`,
  )
  if (sources === 0) io.print('No sources configured: add one with: spillway configure')
}

function takenBesides({
  catalogBytes,
  otherBytes,
}: Pick<TestedServer, 'catalogBytes' | 'otherBytes'>) {
  const parts = [
    ...(catalogBytes > 0 ? [`${formatBytes(catalogBytes)} taken by copies of the catalog`] : []),
    ...(otherBytes > 0 ? [`${formatBytes(otherBytes)} taken by others`] : []),
  ]
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

function printServer(
  io: Io<Services>,
  { server, usedBytes, result, wouldTake, remarks, ...room }: TestedServer,
): void {
  io.print(`  - S3Server(${server.label})`)
  io.print(`    ${usageLine(usedBytes)}`)
  io.print(
    `    Limit: ${formatBytes(server.limitBytes)}, ${formatBytes(room.spareBytes)} spare${takenBesides(room)}`,
  )
  if (result) {
    const facts = measured(result)
    if (facts !== '') io.print(`    Measured: ${facts}`)
    for (const check of result.checks) printCheck(io, check)
  }
  for (const remark of remarks) printWrapped(io)(`    ! ${remark}`)
  if (server.isEnabled) {
    io.print(
      `    => ${wouldTake ? "would take tonight's archive" : "would NOT take tonight's archive"}`,
    )
  }
}

function printCheck(
  io: Io<Services>,
  { name, needed, outcome, message, hint, seconds }: Check,
): void {
  const mark = { ok: 'ok    ', failed: 'FAILED', skipped: '-     ' }[outcome]
  const time = outcome === 'ok' ? `  (${formatSeconds(seconds)})` : ''
  io.print(`    ${mark}  ${name.padEnd(9)}  to ${needed}${time}`)
  const print = printWrapped(io)
  if (outcome === 'failed' && message !== undefined) print(`            ${message}`)
  if (outcome === 'failed' && hint !== undefined) print(`            -> ${hint}`)
}

function printSummary(
  io: Io<Services>,
  { servers, samePlaces, missingPrograms: missing, notes, exit }: SelfTestReport,
  enabledCount: number,
): void {
  const tested = servers.filter(({ server }) => server.isEnabled)
  const taking = tested.filter(({ wouldTake }) => wouldTake).length
  const rest = enabledCount - tested.length
  const untested = rest > 0 ? ` (${plural(rest, 'enabled server')} not tested)` : ''
  const print = printWrapped(io)
  print('')
  print(
    `${taking} of ${plural(tested.length, 'tested server')} would take tonight's archive${untested}.`,
  )
  if (exit !== 0 && taking === 0 && rest === 0)
    print('Mend at least one of them: until then every archive waits in the spool.')
  for (const { message, hint } of samePlaces) {
    print(`! ${message}`)
    if (hint !== null) print(`  -> ${hint}`)
  }
  printMissing(io, missing)
  for (const note of notes) print(`Note: ${note}`)
}

function printMissing(io: Io<Services>, missing: readonly MissingProgram[]): void {
  for (const { variable, message } of missing) printWrapped(io)(`! ${variable}: ${message}`)
}

function jsonOf(report: SelfTestReport): unknown {
  const { servers, samePlaces, missingPrograms: missing, notes, exit } = report
  return {
    exit,
    samePlaces,
    missingPrograms: missing,
    notes,
    servers: servers.map(({ server, usedBytes, spareBytes, result, wouldTake, remarks }) => ({
      number: server.number,
      label: server.label,
      endpoint: server.endpoint,
      bucket: bucketOf(server),
      enabled: server.isEnabled,
      usedBytes,
      spareBytes,
      limitBytes: server.limitBytes,
      wouldTake,
      remarks,
      latencyMs: result?.latencyMs ?? null,
      uploadBytesPerSecond: result?.bytesPerSecond ?? null,
      clockSkewSeconds: result?.clockSkewSeconds ?? null,
      checks: (result?.checks ?? []).map(({ name, needed, outcome, message, hint }) => ({
        name,
        needed,
        outcome,
        message: message ?? null,
        hint: outcome === 'failed' ? (hint ?? null) : null,
      })),
    })),
  }
}
