// Changing an env file: a draft of its text in memory, judged as a whole before it is written.
//
// What the change broke must be mended before it is saved. What was broken before is only told:
// otherwise nobody could mend a file with two faults one after the other.

import { dirname } from 'node:path'
import { existsSync } from 'node:fs'
import type { Config } from '../domain/config.ts'
import { textProblems } from '../config/env-text.ts'
import { editEnvText } from '../config/env-file.ts'
import type { EnvEdit } from '../config/env-file.ts'
import { writeEnvFile } from '../config/env-file-write.ts'
import { findEnvFile, joinEnv, parseEnvText, readEnvFile } from '../config/load.ts'
import type { ConfigPlace, EnvFile } from '../config/load.ts'
import { parse, readSurroundings } from '../config/parse.ts'
import type { Problem } from '../config/problem.ts'
import { textOf } from '../config/read-settings.ts'
import type { EnvRecord } from '../config/read-settings.ts'

export type DraftCheck = {
  /** What a run would see; undefined if there is any problem. */
  readonly config: Config | undefined
  /** Made by this change: it must not be saved like this. */
  readonly made: readonly Problem[]
  /** There before, and still there. */
  readonly old: readonly Problem[]
}

export type DraftState = {
  readonly text: string
  readonly brokenBefore: ReadonlySet<string>
}

export class ConfigDraft {
  readonly path: string
  readonly envFileDir: string
  /** Others could read the file when it was opened. */
  readonly wasOpenToOthers: boolean
  readonly #env: EnvRecord
  readonly #before: string | undefined
  #text: string
  /** Variables that have problems which are not of our making. */
  #brokenBefore: ReadonlySet<string>

  constructor(path: string, file: EnvFile | undefined, env: EnvRecord) {
    this.path = path
    this.envFileDir = dirname(path)
    this.wasOpenToOthers = file !== undefined && (file.mode & 0o077) !== 0
    this.#env = env
    this.#before = file?.text
    this.#text = file?.text ?? ''
    this.#brokenBefore = new Set(this.#problems().map(({ variable }) => variable))
  }

  get isNew(): boolean {
    return this.#before === undefined
  }

  get isChanged(): boolean {
    return this.#text !== (this.#before ?? '')
  }

  /** Variables of the file, in its order. */
  get values(): Readonly<Record<string, string>> {
    return parseEnvText(this.#text)
  }

  /** Variables as a run would see them: the environment wins. */
  get joined(): EnvRecord {
    return joinEnv(this.values, this.#env)
  }

  /** '' if it is not set in the file. */
  value(name: string): string {
    return this.values[name] ?? ''
  }

  /** Names in the file whose values the environment overrides, so that changing them has no effect. */
  get overridden(): string[] {
    const { joined, values } = this
    return Object.keys(values).filter((name) => joined[name] !== values[name])
  }

  /** Whether it is set outside of the file, which wins over whatever the file says. */
  isFromEnvironment(name: string): boolean {
    return textOf(this.#env, name) !== undefined
  }

  /** Throws CONFIG_INVALID, and changes nothing, if the text cannot hold it. */
  change(edit: EnvEdit): void {
    const set = [...(edit.set ?? [])]
    this.#text = editEnvText(this.#text, { ...edit, set })
    const touched = new Set(set.map(([name]) => name))
    const renamed = [...this.#brokenBefore].map((name) => edit.rename?.get(name) ?? name)
    this.#brokenBefore = new Set(renamed.filter((name) => !touched.has(name)))
  }

  /** To come back to with `restore`. */
  get state(): DraftState {
    return { text: this.#text, brokenBefore: this.#brokenBefore }
  }

  restore(state: DraftState): void {
    this.#text = state.text
    this.#brokenBefore = state.brokenBefore
  }

  check(): DraftCheck {
    const problems = this.#problems()
    // Whoever sets a variable does not make it appear on a second line.
    const lines = new Set(textProblems(this.#text).map(({ variable }) => variable))
    const isOld = ({ variable }: Problem) => this.#brokenBefore.has(variable) || lines.has(variable)
    return {
      config: problems.length === 0 ? this.#parsed().config : undefined,
      made: problems.filter((problem) => !isOld(problem)),
      old: problems.filter(isOld),
    }
  }

  /** The proxy and the host's name, as the draft has them. */
  get surroundings(): Pick<Config, 'proxy' | 'serverId'> {
    return readSurroundings(this.joined, { envFileDir: this.envFileDir })
  }

  /** Throws CONFIG_INVALID or CONFIG_UNSAFE, and leaves the old file, if it cannot be written. */
  async save(): Promise<void> {
    await writeEnvFile(this.path, this.#text, this.#before)
  }

  #problems(): Problem[] {
    return [...textProblems(this.#text), ...this.#parsed().problems]
  }

  #parsed() {
    return parse(this.joined, {
      envFileDir: this.envFileDir,
      envFile: this.path,
      fileNames: Object.keys(this.values),
    })
  }
}

/** Opens the file that the commands would read; a named one that is missing will be created. */
export function openDraft(place: ConfigPlace): ConfigDraft {
  const { path, env } = findEnvFile(place)
  return new ConfigDraft(path, existsSync(path) ? readEnvFile(path) : undefined, env)
}
