// Proves that the copies are what was stored: by HEAD all of them, and with `isDeep` by reading them back.
//
// Needs no lock: it changes nothing on servers, and in the catalog only what was proven. A run may go on
// beside it.

import type { ArchiveWithCopies, ServerRow } from '../catalog/catalog.ts'
import type { CopyProblem, CopyProof } from '../catalog/proof-calls.ts'
import type { Config } from '../domain/config.ts'
import { FAILURES, SpillwayError } from '../domain/errors.ts'
import { exitOf } from '../domain/exit-code.ts'
import { isDamage } from '../domain/proof.ts'
import type { Finding } from '../domain/proof.ts'
import type { Server } from '../domain/server.ts'
import type { DeepResult, DeepServices } from './verify-deep.ts'
import { headCopies } from './verify-heads.ts'
import type { HeadFound } from './verify-heads.ts'
import { checkSource } from './list.ts'
import { planDeep } from './verify-plan.ts'
import { copiesToMake } from './copies-plan.ts'
import { damagedCopyIds } from './damaged-copies.ts'
import { printablePath } from '../lib/printable-path.ts'
import { wholeObject } from './verify-report.ts'
import type { CopyTask, VerifiedArchive, VerifyProblem, VerifyReport } from './verify-report.ts'

export type VerifyServices = DeepServices & { readonly config: Config }

export type VerifyInput = {
  /** Ids, beginnings of ids, file names, `latest:SOURCE`; none: all of this host. */
  readonly archives: readonly string[]
  readonly source: string | undefined
  readonly isDeep: boolean
  /** undefined: everything is read back, whenever it was proven last. */
  readonly budgetBytes: number | undefined
  /** What reading back may take of one server's copies; undefined: as long as it takes. */
  readonly serverMsMax?: number
}

/** Rejects with INTERRUPTED, with CATALOG_*, or when an archive is not found. Progress is kept. */
export async function verify(
  services: VerifyServices,
  input: VerifyInput,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const begun = performance.now()
  const { catalog } = services
  const archives = await chooseArchives(services, input)
  const tasks = tasksOf(archives, services.config.servers, await catalog.servers())
  const heads = await headCopies(services, tasks, signal)
  const readable = tasks.filter((task) => {
    const outcome = heads.get(task)?.outcome
    return outcome === 'proven' || outcome === 'rewritten'
  })
  const deep = input.isDeep ? await deepOf(services, readable, input, signal) : NOT_READ
  const adopted = await adoptRewritten(services, readable, heads)
  await noteVerified(services, tasks, heads, adopted)
  const known = await knownDamage(services, tasks, heads, deep)
  return report({ services, input, archives, tasks, heads, deep, adopted, known, begun })
}

const NOT_READ: DeepResult = {
  findings: [],
  unread: new Map(),
  readBytes: 0,
  isBudgetSpent: false,
  outOfTime: [],
}

async function chooseArchives(
  { catalog, config }: VerifyServices,
  { archives: names, source }: VerifyInput,
): Promise<readonly ArchiveWithCopies[]> {
  const found = new Map<string, ArchiveWithCopies>()
  for (const name of names) {
    const archive = await catalog.findArchive(name)
    if (source !== undefined && archive.source !== source)
      throw new SpillwayError('USAGE', `${archive.file} is of source "${archive.source}"`)
    found.set(archive.id, archive)
  }
  if (names.length > 0) return [...found.values()]
  const filter = { host: config.serverId, source }
  const archives = await catalog.archives({ ...filter, states: ['ready', 'gone'] })
  const isKnown =
    archives.length > 0 || (await catalog.archives({ ...filter, limit: 1 })).length > 0
  checkSource(config, source, isKnown)
  return archives
}

/** Copies that are stored, or were found missing before: those may be there again. */
function tasksOf(
  archives: readonly ArchiveWithCopies[],
  servers: readonly Server[],
  rows: readonly ServerRow[],
): readonly CopyTask[] {
  return archives.flatMap((archive) =>
    archive.copies
      .filter(({ state }) => state === 'stored' || state === 'missing')
      .map((copy) => {
        // Disabled ones too: that says only that nothing new goes there.
        const server = servers.find(({ identity }) => identity === copy.identity)
        const row = rows.find(({ identity }) => identity === copy.identity)
        return { archive, copy, server, label: server?.label ?? row?.label ?? copy.identity }
      }),
  )
}

async function deepOf(
  services: VerifyServices,
  tasks: readonly CopyTask[],
  { budgetBytes, serverMsMax }: VerifyInput,
  signal: AbortSignal,
): Promise<DeepResult> {
  const { catalog } = services
  const proofs = await catalog.copyProofs(tasks.map(({ copy }) => copy.id))
  const problems = await catalog.problems()
  const planned = []
  for (const task of tasks) {
    const { id } = task.copy
    planned.push({
      task,
      proof: proofs.get(id),
      stretches: await catalog.provenStretches(id),
      problems: problems.filter(({ copyId }) => copyId === id),
    })
  }
  // Loads the tar reader, which `--help` and a verify by HEAD do without.
  const { verifyDeep } = await import('./verify-deep.ts')
  // Without a budget everything is read anyway: then each copy once, from its first byte to its last.
  const work = planDeep(planned, budgetBytes !== undefined)
  return verifyDeep(services, work, { budgetBytes, serverMsMax }, signal)
}

/** Written again by somebody, and every frame of it proven since that was noticed: it is ours. */
async function adoptRewritten(
  { catalog }: VerifyServices,
  tasks: readonly CopyTask[],
  heads: ReadonlyMap<CopyTask, HeadFound>,
): Promise<ReadonlySet<CopyTask>> {
  const rewritten = tasks.filter((task) => heads.get(task)?.outcome === 'rewritten')
  const adopted = new Set<CopyTask>()
  if (rewritten.length === 0) return adopted
  const proofs = await catalog.copyProofs(rewritten.map(({ copy }) => copy.id))
  const problems = await catalog.problems()
  for (const task of rewritten) {
    const head = heads.get(task)?.head
    const verifiedAt = proofs.get(task.copy.id)?.deepVerifiedAt
    const own = problems.filter(({ copyId }) => copyId === task.copy.id)
    const isProven = own.every(
      ({ place, foundAt }) =>
        place === 'object' && verifiedAt !== undefined && verifiedAt >= foundAt,
    )
    if (!isProven || head === undefined) continue
    await catalog.adoptObject(task.copy.id, head)
    await catalog.setCopyHeaded(task.copy.id, new Date())
    adopted.add(task)
  }
  return adopted
}

/**
 * An archive is verified on the day on which a copy was proven to be there of which no damage is known: it
 * could have been restored then. What is wrong with its other copies is told as problems.
 */
async function noteVerified(
  { catalog }: VerifyServices,
  tasks: readonly CopyTask[],
  heads: ReadonlyMap<CopyTask, HeadFound>,
  adopted: ReadonlySet<CopyTask>,
): Promise<void> {
  const at = new Date()
  const damaged = await damagedCopyIds(catalog)
  const sound = tasks.filter((task) => {
    const isThere = heads.get(task)?.outcome === 'proven' || adopted.has(task)
    return isThere && !damaged.has(task.copy.id)
  })
  for (const id of new Set(sound.map(({ archive }) => archive.id)))
    await catalog.setVerified(id, at)
}

/** Found earlier, not met now, and not settled: whoever asks about such a copy is not told that it is sound. */
async function knownDamage(
  { catalog }: VerifyServices,
  tasks: readonly CopyTask[],
  heads: ReadonlyMap<CopyTask, HeadFound>,
  { findings }: DeepResult,
): Promise<ReadonlyMap<CopyTask, readonly CopyProblem[]>> {
  const open = (await catalog.problems()).filter(isDamage)
  const known = new Map<CopyTask, readonly CopyProblem[]>()
  for (const task of tasks) {
    const outcome = heads.get(task)?.outcome
    // What is gone or replaced is told as that, and of what was not asked nothing is said.
    if (outcome !== 'proven' && outcome !== 'rewritten') continue
    const met = findings.filter((found) => found.task === task).map(({ finding }) => finding)
    const isMet = ({ fromByte, toByte }: CopyProblem) =>
      met.some((finding) => finding.fromByte === fromByte && finding.toByte === toByte)
    const own = open.filter((each) => each.copyId === task.copy.id && !isMet(each))
    if (own.length > 0) known.set(task, own)
  }
  return known
}

type Ended = {
  readonly services: VerifyServices
  readonly input: VerifyInput
  readonly archives: readonly ArchiveWithCopies[]
  readonly tasks: readonly CopyTask[]
  readonly heads: ReadonlyMap<CopyTask, HeadFound>
  readonly deep: DeepResult
  readonly adopted: ReadonlySet<CopyTask>
  readonly known: ReadonlyMap<CopyTask, readonly CopyProblem[]>
  readonly begun: number
}

async function report(ended: Ended): Promise<VerifyReport> {
  const { services, input, archives, tasks, deep, begun } = ended
  const { catalog } = services
  const proofs = await catalog.copyProofs(tasks.map(({ copy }) => copy.id))
  const shown: VerifiedArchive[] = []
  for (const { id } of archives) {
    const own = tasks.filter(({ archive }) => archive.id === id)
    if (own.length === 0) continue
    const { source, file, verifiedAt } = await catalog.findArchive(id)
    const copies = own.map((task) => copyOf(ended, task, proofs.get(task.copy.id)))
    shown.push({ id, source, file, verifiedAt: verifiedAt?.toISOString() ?? null, copies })
  }
  const { warnings, exits } = consequences(ended)
  const exit = exitOf(exits)
  return {
    outcome: exit === 0 ? 'ok' : exit === 3 ? 'warnings' : 'failed',
    exit,
    seconds: (performance.now() - begun) / 1_000,
    deep: input.isDeep,
    budgetBytes: input.budgetBytes ?? null,
    readBytes: deep.readBytes,
    isBudgetSpent: deep.isBudgetSpent,
    outOfTime: deep.outOfTime,
    archives: shown,
    problems: problemsOf(ended),
    warnings,
    hints: await hintsOf(services, archives),
  }
}

/** Only where it would do something: a damaged copy is replaced by another one, or by the spool's file. */
async function hintsOf(
  { catalog, config }: VerifyServices,
  archives: readonly ArchiveWithCopies[],
): Promise<readonly string[]> {
  const ids = new Set(archives.map(({ id }) => id))
  const { toCopy } = await copiesToMake({ config, catalog })
  const isMendable = toCopy.some(
    ({ archive, damaged }) => damaged.length > 0 && ids.has(archive.id),
  )
  return isMendable ? ['damaged copies are replaced by sound ones with: spillway copies'] : []
}

function copyOf(
  { heads, deep, adopted, known }: Ended,
  task: CopyTask,
  proof: CopyProof | undefined,
) {
  const head = heads.get(task)
  const outcome = adopted.has(task) ? 'proven' : (head?.outcome ?? 'unasked')
  const isMet = deep.findings.some((found) => found.task === task)
  const isDamaged = isMet || (outcome === 'proven' && known.has(task))
  const message = adopted.has(task) ? undefined : head?.message
  return {
    server: task.server?.number ?? null,
    label: task.label,
    outcome: isDamaged ? ('damaged' as const) : outcome,
    message: message ?? deep.unread.get(task)?.message ?? null,
    frames: proof?.frameCount ?? null,
    provenFrames: proof?.provenFrames ?? 0,
    deepVerifiedAt: proof?.deepVerifiedAt?.toISOString() ?? null,
  }
}

function problemsOf({ tasks, heads, deep, adopted, known }: Ended): readonly VerifyProblem[] {
  const objects = tasks.flatMap((task) => {
    const { outcome = 'unasked', message = '' } = heads.get(task) ?? {}
    if (outcome === 'proven' || outcome === 'unasked' || adopted.has(task)) return []
    return [{ task, finding: wholeObject(task, message, outcome), knownSince: null }]
  })
  const met = deep.findings.map((found) => ({ ...found, knownSince: null }))
  const older = [...known].flatMap(([task, own]) =>
    own.map(({ foundAt, ...problem }) => ({
      task,
      finding: findingOf(problem),
      knownSince: foundAt.toISOString(),
    })),
  )
  const seen = new Set<string>()
  return [...objects, ...met, ...older].flatMap(({ task, finding, knownSince }) => {
    // A damaged block of the index is met when it is needed, and again when its frame is read.
    const key = `${task.copy.id} ${finding.fromByte} ${finding.toByte}`
    if (seen.has(key)) return []
    seen.add(key)
    return [
      {
        archive: task.archive.id,
        file: task.archive.file,
        server: task.server?.number ?? null,
        label: task.label,
        ...finding,
        members: finding.members.map(printablePath),
        knownSince,
      },
    ]
  })
}

function findingOf(problem: Finding): Finding {
  const { place, frame, fromByte, toByte, what, memberCount, members } = problem
  return { place, frame, fromByte, toByte, what, memberCount, members }
}

/** What could not be asked or read, each server's reason once, and the exit codes of everything. */
function consequences({ tasks, heads, deep, adopted, known }: Ended) {
  const reasons = new Map<string, { label: string; message: string; copies: number }>()
  const exits: number[] = []
  for (const task of tasks) {
    const head = heads.get(task)
    const unread = deep.unread.get(task)
    if (head !== undefined && !adopted.has(task)) exits.push(head.exit)
    if (unread !== undefined) exits.push(unread.exit)
    const message = head?.outcome === 'unasked' ? head.message : unread?.message
    if (message === undefined) continue
    const key = `${task.label}\n${message}`
    const before = reasons.get(key)
    reasons.set(key, { label: task.label, message, copies: (before?.copies ?? 0) + 1 })
  }
  if (deep.findings.length > 0 || known.size > 0) exits.push(FAILURES.ARCHIVE_CORRUPT.exit)
  const warnings = [...reasons.values()].map(
    ({ label, message, copies }) =>
      `${label}: ${copies} ${copies === 1 ? 'copy' : 'copies'} not verified: ${message}`,
  )
  return { warnings, exits }
}
