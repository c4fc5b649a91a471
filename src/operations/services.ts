// What commands may ask for, opened only when they do: a command that prints help opens nothing, and
// `list` never loads the S3 client.

import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { CatalogQuestions } from './catalog-questions.ts'
import type { ChangeKeep } from '../config/changed-keep.ts'
import type { Config } from '../domain/config.ts'
import type { OpenDatabaseTarget } from './restore-into.ts'
import type { KeptRun } from '../domain/kept-run.ts'
import type { Notifier } from '../notify/notifier.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Packer } from '../pack/packer.ts'
import type { RunHolder } from '../catalog/run-lock.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { RunServices } from './run.ts'
import type { State } from '../state/open-state.ts'
import type { ServerSource } from '../domain/source.ts'
import type { Unpacker } from '../pack/unpacker.ts'

export type Services = {
  readonly config: Config
  /** Of Spillway. */
  readonly version: string
  /** Creates the data folder and the catalog when they are not there yet. */
  readonly catalog: () => Promise<Catalog>
  /** undefined: nothing was ever archived here; nothing is created. */
  readonly catalogIfPresent: () => Promise<Catalog | undefined>
  /** Who uses an archive right now; creates nothing until something is used. */
  readonly archiveUses: () => Promise<ArchiveUses>
  /** The run that is going on in the data folder. */
  readonly currentRun: () => Promise<RunHolder | undefined>
  /** What reads most of the catalog, for who must not wait for it with all else. */
  readonly questions: CatalogQuestions
  readonly openStorage: () => Promise<OpenStorage>
  /** Takes secrets out of what is kept or shown. */
  readonly redact: (text: string) => string
  /** Tokens, the daemon's queue, the last runs; to be closed by whoever opens it. */
  readonly openState: () => Promise<State>
  /** The newest run that was kept; creates nothing, and never rejects. */
  readonly lastRun: () => Promise<KeptRun | undefined>
  readonly notifier: () => Promise<Notifier>
  readonly packer: () => Promise<Packer>
  /** The URL of `restore --into` as a server, with its password where a source has it. Throws USAGE. */
  readonly databaseTarget: (url: string) => ServerSource
  /** Retention as it would be with other rules. Throws CONFIG_INVALID. */
  readonly changedKeep: ChangeKeep
  readonly openDatabaseTarget: OpenDatabaseTarget
  readonly unpacker: () => Promise<Unpacker>
  /** Takes the run lock (RUN_LOCKED), opens everything, and lets go of it afterwards. */
  readonly withRun: <Result>(
    emit: (event: RunEvent) => void,
    work: (services: RunServices) => Promise<Result>,
  ) => Promise<Result>
}
