// SQLite as a source: one or more database files, each copied and checked by a child process
// (sqlite-copy.ts) into a private folder of the spool, and read from there into the archive. The copy is
// the one dump that does not stream: only a whole one can be checked.

import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { SqliteSource } from '../domain/source.ts'
import { printablePath } from '../lib/printable-path.ts'
import { answerOf } from './child-answer.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { comparePaths } from './database-dumps.ts'
import { databaseListOutput, timesOf } from './database-list.ts'
import type { DumpedDatabase } from './database-list.ts'
import { dumpFileName } from './dump-names.ts'
import type { OutputContext, OutputSeries, OutputSurvey, ProgramOutput } from './output.ts'
import { ownProgram, toldFailure } from './own-program.ts'
import { SecretFolder } from './secret-folder.ts'

// A program that keeps its file locked for longer, in the night, does not let go of it.
const BUSY_MS_MAX = 300_000

type DatabaseFile = {
  readonly path: string
  readonly fileName: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

// Looked at by their names alone, never opened here: one of them may be our own catalog, and closing it
// would drop the locks on it.
export function surveySqlite(source: SqliteSource): OutputSurvey {
  const files = findFiles(source)
  return {
    sourceBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    // With the folder that they lie in, and the list.
    memberCount: files.length + (files.length > 0 ? 2 : 1),
    parts: files.map(({ path, sizeBytes }) => ({ name: printable(path), sizeBytes })),
  }
}

export async function* sqliteOutputs(source: SqliteSource, context: OutputContext): OutputSeries {
  const version = await sqliteVersionOf(source, context)
  const databases: DumpedDatabase[] = []
  const warnings: { path: string; reason: string }[] = []
  for (const file of findFiles(source)) {
    // A name of its own in the spool: what a kill leaves behind is removed by the next run.
    const folder = new SecretFolder(context.folder)
    try {
      const facts = yield copyOutput(source, file, folder.path)
      if (facts.said !== '') warnings.push({ path: file.fileName, reason: facts.said })
      databases.push({
        ...{ name: file.path, file: file.fileName, dumpBytes: facts.sizeBytes },
        databaseBytes: file.sizeBytes,
        ...timesOf(facts),
        properties: { modifiedAt: file.modifiedAt.toISOString() },
      })
    } finally {
      folder.remove()
    }
  }
  yield databaseListOutput({
    ...{ kind: source.kind, server: { version }, tool: { name: 'SQLite', version } },
    ...{ isWholeServer: false, globals: null, databases, leftOut: [] },
  })
  return { warnings, notes: [] }
}

function copyOutput(source: SqliteSource, file: DatabaseFile, folder: string): ProgramOutput {
  const busyMs = Math.min(BUSY_MS_MAX, source.silenceMs / 2)
  return {
    kind: 'program',
    fileName: file.fileName,
    program: ownProgram('sqlite-program', ['copy', file.path, folder, String(busyMs)], source),
    modifiedAt: file.modifiedAt,
    explain: (failure) => toldFailure(failure) ?? explained(source, printable(file.path), failure),
  }
}

async function sqliteVersionOf(source: SqliteSource, context: OutputContext): Promise<string> {
  try {
    const program = ownProgram('sqlite-program', ['version'], source)
    return (await answerOf(program, { ...context, timeoutMs: source.silenceMs })).trim()
  } catch (error) {
    throw error instanceof SpillwayError ? explained(source, undefined, error) : error
  }
}

function findFiles(source: SqliteSource): DatabaseFile[] {
  const paths = [...new Set(source.paths.flatMap(matching))]
  if (paths.length === 0 && !source.mayBeEmpty)
    throw new SpillwayError('SOURCE_EMPTY', `${source.text} matches no file`, {
      hint: `if that is meant, set SOURCE_${source.number}_ALLOW_EMPTY=true`,
    })
  const names = paths.map((path) => basename(path))
  const files = paths.map((path, at) => {
    // Two of one name are told apart by their folders.
    const isAlone = names.filter((name) => name === names[at]).length === 1
    const name = isAlone ? names[at]! : path.slice(1)
    return { path, fileName: dumpFileName(name, ''), ...factsOf(path) }
  })
  return files.sort((a, b) => comparePaths(a.fileName, b.fileName))
}

function matching(path: string): string[] {
  const pattern = basename(path)
  if (!/[*?]/.test(pattern)) return [path]
  const matches = new RegExp(`^${pattern.split('').map(asExpression).join('')}$`, 'su')
  const folder = dirname(path)
  return look(folder, () => readdirSync(folder, { withFileTypes: true }))
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map(({ name }) => name)
    .filter((name) => matches.test(name) && !isCompanion(name))
    .sort()
    .map((name) => join(folder, name))
}

function asExpression(character: string): string {
  if (character === '*') return '.*'
  return character === '?' ? '.' : character.replace(/[\\^$.|+()[\]{}]/u, '\\$&')
}

/** A part of a database that lies beside it: its content comes with the copy. */
function isCompanion(name: string): boolean {
  return /-(?:wal|shm|journal)$/.test(name)
}

/** What stands in the log is newer than the file, and belongs to it. */
function factsOf(path: string): Pick<DatabaseFile, 'sizeBytes' | 'modifiedAt'> {
  const file = look(path, () => statSync(path))
  const log = look(path, () => statSync(`${path}-wal`, { throwIfNoEntry: false }))
  const ms = Math.max(file.mtimeMs, log !== undefined && log.size > 0 ? log.mtimeMs : 0)
  return { sizeBytes: file.size + (log?.size ?? 0), modifiedAt: new Date(ms) }
}

function look<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why =
      code === 'ENOENT'
        ? 'is not there'
        : code === 'EACCES'
          ? 'may not be read by this user'
          : `cannot be read: ${messageOf(cause)}`
    throw databaseFailed(`${printable(path)} ${why}`, undefined, cause)
  }
}

function printable(name: string): string {
  return printablePath(Buffer.from(name).toString('latin1'))
}
