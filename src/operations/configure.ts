// Changing an env file: a draft of its text in memory, judged as a whole before it is written.
//
// What the change broke must be mended before it is saved. What was broken before is only told:
// otherwise nobody could mend a file with two faults one after the other.
//
// Who uses a draft sees plain values; in its text secrets are sealed once there is a key
// (seal-key.ts). Those that stood there in plain before stay so until they are changed, or `spillway seal`.

import { dirname } from 'node:path'
import { existsSync } from 'node:fs'
import type { Config } from '../domain/config.ts'
import { textProblems } from '../config/env-text.ts'
import { editEnvText } from '../config/env-file.ts'
import type { EnvEdit } from '../config/env-file.ts'
import { changeEnvFile } from '../config/env-file-write.ts'
import { findEnvFile, joinEnv, parseEnvText, readEnvFile } from '../config/load.ts'
import type { ConfigPlace, EnvFile } from '../config/load.ts'
import { parse, readSurroundings } from '../config/parse.ts'
import type { Problem } from '../config/problem.ts'
import { textOf } from '../config/read-settings.ts'
import type { EnvRecord } from '../config/read-settings.ts'
import { isSealable, joinProblems, openWith } from '../config/sealed-env.ts'
import { keyPlaceOf, readKeyRing, requireSealing } from '../config/seal-key.ts'
import type { KeyRing } from '../config/seal-key.ts'
import { isSealed, isSealedWith, sealValue } from '../config/sealed-value.ts'
import { SpillwayError } from '../domain/errors.ts'

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
  readonly #ownerUid: number | undefined
  readonly #before: string | undefined
  #text: string
  /** Of the text that it stands with: a menu asks for dozens of values. */
  #opened: { readonly text: string; readonly content: Content } | undefined
  /** Variables that have problems which are not of our making. */
  #brokenBefore: ReadonlySet<string>

  constructor(path: string, file: EnvFile | undefined, env: EnvRecord) {
    this.path = path
    this.envFileDir = dirname(path)
    this.wasOpenToOthers = file !== undefined && (file.mode & 0o077) !== 0
    this.#env = env
    this.#ownerUid = file?.uid
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

  /** Variables of the file, in its order, opened: what cannot be opened stands there sealed. */
  get values(): Readonly<Record<string, string>> {
    return this.#content.values
  }

  /** Variables as a run would see them: the environment wins. */
  get joined(): EnvRecord {
    return this.#content.joined
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
    const written = set.map(([name, value]) => [name, this.#written(name, value)] as const)
    const others = new Set([...set.map(([name]) => name), ...(edit.remove ?? [])])
    const renamed = this.#renamed(edit, others)
    this.#text = editEnvText(this.#text, { ...edit, set: [...renamed, ...written] })
    const touched = new Set(set.map(([name]) => name))
    const broken = [...this.#brokenBefore].map((name) => edit.rename?.get(name) ?? name)
    this.#brokenBefore = new Set(broken.filter((name) => !touched.has(name)))
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

  /** Throws SETTINGS_CHANGED, CONFIG_INVALID or CONFIG_UNSAFE, and leaves the old file, if it cannot be written. */
  async save(): Promise<void> {
    await changeEnvFile(this.path, async (write) => {
      this.#requireSameKey()
      await write(this.#text, this.#before)
    })
  }

  /** What was sealed here with a key that is gone by now nobody could open any more. */
  #requireSameKey(): void {
    const { problems } = this.#content
    this.#opened = undefined
    if (this.#content.problems.length > problems.length)
      throw new SpillwayError('SETTINGS_CHANGED', 'the key of sealed values was changed meanwhile')
  }

  get #content(): Content {
    if (this.#opened?.text === this.#text) return this.#opened.content
    const raw = parseEnvText(this.#text)
    const joined = joinEnv(raw, this.#env)
    const { envFileDir } = this
    const ring = readKeyRing(keyPlaceOf(joined, { envFileDir, ownerUid: this.#ownerUid }))
    const { env, problems } = openWith(joined, ring)
    const values = openWith(raw, ring).env as Readonly<Record<string, string>>
    const content = { raw, values, joined: env, problems, ring }
    this.#opened = { text: this.#text, content }
    return content
  }

  /** A secret is written sealed once there is a key. Throws CONFIG_UNSAFE where it may not be used. */
  #written(name: string, value: string): string {
    const { raw, values, ring } = this.#content
    if (!isSealable(name, value, values)) return value
    if (ring.sealing === undefined && ring.fault === undefined) return value
    const key = requireSealing(ring)
    const present = raw[name] ?? ''
    // What stays the same stays the same text.
    const isSame = values[name] === value && isSealed(present) && isSealedWith(present, key)
    return isSame ? present : sealValue(name, value, key)
  }

  /** A sealed value is bound to its name: under another one it is sealed anew. */
  #renamed(edit: EnvEdit, others: ReadonlySet<string>): (readonly [string, string])[] {
    const { raw, values, ring } = this.#content
    return [...(edit.rename ?? [])].flatMap(([from, to]) => {
      if (!isSealed(raw[from] ?? '') || others.has(to)) return []
      const value = values[from] ?? ''
      if (isSealed(value))
        throw new SpillwayError('CONFIG_INVALID', `${from} cannot be opened, so it cannot move`, {
          hint: `type the secret again first: spillway configure --set=${from}=-`,
        })
      return [[to, sealValue(to, value, requireSealing(ring))] as const]
    })
  }

  #problems(): Problem[] {
    const { problems } = this.#content
    return [...textProblems(this.#text), ...joinProblems(problems, this.#parsed().problems)]
  }

  #parsed() {
    return parse(this.joined, {
      envFileDir: this.envFileDir,
      envFile: this.path,
      fileNames: Object.keys(this.values),
    })
  }
}

type Content = {
  readonly raw: Readonly<Record<string, string>>
  readonly values: Readonly<Record<string, string>>
  readonly joined: EnvRecord
  /** Of what cannot be opened. */
  readonly problems: readonly Problem[]
  readonly ring: KeyRing
}

/** Opens the file that the commands would read; a named one that is missing will be created. */
export function openDraft(place: ConfigPlace): ConfigDraft {
  const { path, env } = findEnvFile(place)
  return new ConfigDraft(path, existsSync(path) ? readEnvFile(path) : undefined, env)
}
