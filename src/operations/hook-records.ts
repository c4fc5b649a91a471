// What AFTER has still to undo: a small file in the data folder for each BEFORE, written before it begins
// and removed when its AFTER has ended well. A run that was killed between them leaves it to the next one; so
// does an AFTER that failed, and the next BEFORE of that source has a file of its own.

import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { safeName } from '../domain/archive.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { makeFolderOnDisk, syncFolder } from '../lib/sync-folder.ts'

/** What the programs are told, by the names of their variables. */
export type HookFacts = Readonly<Record<string, string>>

export type HookRecord = {
  readonly path: string
  readonly source: string
  /** ISO 8601: when BEFORE was to begin. */
  readonly since: string
  /** As BEFORE had them: a snapshot may be named after the archive. */
  readonly facts: HookFacts
}

export class HookRecords {
  readonly #folder: string

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'hooks')
  }

  /**
   * On disk when it resolves, with its path; `archiveId` tells it from others of the source. Rejects with
   * SOURCE_HOOK_FAILED: then BEFORE must not begin.
   */
  async add(record: Omit<HookRecord, 'path'>, archiveId: string): Promise<string> {
    const path = join(this.#folder, `${safeName(record.source)}-${archiveId}.json`)
    const newPath = `${path}.new`
    try {
      makeFolderOnDisk(this.#folder)
      const file = await open(newPath, 'w', 0o600)
      try {
        await file.writeFile(`${JSON.stringify(record, undefined, 2)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(newPath, path)
      await syncFolder(this.#folder)
      return path
    } catch (cause) {
      throw failed(`cannot note in ${path} that AFTER is to be run`, cause)
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await rm(path, { force: true })
      // An AFTER that is run once more may find nothing to undo, and fail.
      await syncFolder(this.#folder)
    } catch (cause) {
      throw failed(`cannot remove ${path}, so the next run will run AFTER again`, cause)
    }
  }

  /** Of all sources, in the order in which they began. What cannot be read is a problem, and stays. */
  async all(): Promise<{
    readonly records: readonly HookRecord[]
    readonly problems: readonly SpillwayError[]
  }> {
    const records: HookRecord[] = []
    const problems: SpillwayError[] = []
    for (const name of (await this.#names()).filter((each) => each.endsWith('.json'))) {
      const path = join(this.#folder, name)
      try {
        records.push(parseRecord(path, await readFile(path, 'utf8')))
      } catch (cause) {
        problems.push(
          new SpillwayError(
            'SOURCE_HOOK_FAILED',
            `${path} says that an AFTER is to be run, and cannot be read (${messageOf(cause)}): ` +
              'undo by hand what BEFORE did, and remove that file',
            { cause },
          ),
        )
      }
    }
    return { records: records.sort((a, b) => (a.since < b.since ? -1 : 1)), problems }
  }

  async #names(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#folder)).toSorted()
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw failed(`cannot look into ${this.#folder} for an AFTER that is to be run`, cause)
    }
  }
}

function parseRecord(path: string, text: string): HookRecord {
  const found: unknown = JSON.parse(text)
  if (typeof found !== 'object' || found === null) throw new Error('it holds no record')
  const { source, since, facts } = found as Readonly<Record<string, unknown>>
  if (typeof source !== 'string' || typeof since !== 'string' || !isFacts(facts))
    throw new Error('it holds no record')
  return { path, source, since, facts }
}

function isFacts(facts: unknown): facts is HookFacts {
  if (typeof facts !== 'object' || facts === null) return false
  // They become variables of a program: nothing but ours, whoever wrote the file.
  return Object.entries(facts).every(
    ([name, value]) => /^SPILLWAY_[A-Z_]+$/.test(name) && typeof value === 'string',
  )
}

function failed(what: string, cause: unknown): SpillwayError {
  return new SpillwayError('SOURCE_HOOK_FAILED', `${what}: ${messageOf(cause)}`, {
    cause,
    hint: 'is there room on the disk of DATA_DIR, and may this user write there?',
  })
}
