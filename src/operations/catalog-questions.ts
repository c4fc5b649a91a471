// Questions that read most of a catalog. With thousands of archives each takes a good part of a second, in which
// a daemon could answer nobody else: so they are asked in a thread of their own (src/question-worker.ts).

import { createArchiveUses } from '../catalog/archive-use.ts'
import { dryPlan, dryPruneExit } from './dry-prune.ts'
import { openCatalog } from '../catalog/open-sqlite.ts'
import { pruneDocument } from './prune-document.ts'
import { statusOf } from './status.ts'
import { dirname } from 'node:path'
import { statSync } from 'node:fs'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { FailureCode } from '../domain/errors.ts'
import type { Source } from '../domain/source.ts'
import type { Status } from './status.ts'

/** Rejections are SpillwayErrors as of the calls themselves. */
export type CatalogQuestions = {
  /** Without the run that is going on and the last one: whoever asks knows better. */
  readonly status: (config: Config, now: Date) => Promise<Status>
  /** As `prune --dry-run --json` prints it, with these sources and their rules. */
  readonly prunePlan: (config: Config, sources: readonly Source[], now: Date) => Promise<unknown>
  /** Ends the thread, if there is one. */
  readonly close: () => Promise<void>
}

export type QuestionMessage =
  | {
      readonly id: number
      readonly question: 'status' | 'prunePlan'
      readonly config: Config
      readonly sources: readonly Source[]
      readonly now: Date
    }
  | { readonly question: 'close' }

export type AnswerMessage =
  | { readonly id: number; readonly answer: unknown }
  | {
      readonly id: number
      readonly failure: {
        /** undefined: a bug. */
        readonly code: FailureCode | undefined
        readonly message: string
        readonly hint: string | undefined
      }
    }

/** Keeps the catalog open from one question to the next. */
export class QuestionDesk {
  #opened: { readonly of: string; readonly catalog: Catalog } | undefined

  async answer(asked: Exclude<QuestionMessage, { question: 'close' }>): Promise<unknown> {
    const { config, sources, now } = asked
    const catalog = await this.#catalog(config)
    if (asked.question === 'status') return statusOf({ config, catalog, now })
    const services = {
      config,
      catalogIfPresent: async () => catalog,
      archiveUses: async () => createArchiveUses(dirname(config.catalogPath)),
    }
    const plan = await dryPlan(services, sources, now)
    return pruneDocument(plan, undefined, dryPruneExit(plan))
  }

  async close(): Promise<void> {
    await this.#opened?.catalog.close()
    this.#opened = undefined
  }

  async #catalog({ catalogPath: path, serverId: host }: Config): Promise<Catalog | undefined> {
    const file = statSync(path, { throwIfNoEntry: false })
    // Another file in its place is another catalog: one that was rebuilt, say.
    const of = JSON.stringify([path, host, file?.dev, file?.ino])
    if (this.#opened?.of === of) return this.#opened.catalog
    await this.close()
    if (file === undefined) return undefined
    const catalog = await openCatalog({ path, host })
    this.#opened = { of, catalog }
    return catalog
  }
}
