// How mongodump is run: the one place that knows how it gets its address and its password (a file of its own
// options, which has room for nothing else), and what it says while all is well.

import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { MongodbSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { findProgram } from './child-program.ts'
import { printable } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import type { OutputContext } from './output.ts'
import { SecretFolder } from './secret-folder.ts'
import { compareVersions } from './tool-version.ts'

const TOOL = 'mongodump'
const PACKAGE = 'mongodb-database-tools'

// Older ones take a password as an argument only.
const TAKES_CONFIG = [100, 3]
// It leaves out documents that have a field without a name (TOOLS-2931).
const LOSES_DOCUMENTS = [100, 4, 0]

// Whoever has such a collection has it dumped.
const NO_COLLECTION = 'spillway-asks-whether-it-may-read'

/** What mongodump says for each collection and every three seconds, behind the time. */
const CHATTER = new RegExp(
  '^\\S+\\t\\s*(?:' +
    [
      'writing .+ to (?:archive on stdout)?',
      'done dumping .+ \\(\\d+ documents?\\)',
      'dumped \\d+ oplog entr(?:y|ies)',
      '\\[[#.]*\\]\\s.+\\s\\d+/\\d+\\s+\\(\\d+\\.\\d%\\)',
      '\\S*\\.\\S*\\s+\\d+',
      '',
    ].join('|') +
    ')\\s*$',
)

/** The program of one source, with its password in a file. `close` takes that away. */
export class MongodbTools {
  readonly #source: MongodbSource
  readonly #context: OutputContext
  readonly #secrets: SecretFolder
  readonly #configFile: string

  constructor(source: MongodbSource, context: OutputContext) {
    this.#source = source
    this.#context = context
    this.#secrets = new SecretFolder(context.folder)
    this.#configFile = this.#secrets.write('mongodump.yaml', configText(source))
  }

  close(): void {
    this.#secrets.remove()
  }

  /** Writes an archive to its standard output. */
  program(args: readonly string[]): Program {
    return this.#program([`--config=${this.#configFile}`, '--archive', ...args])
  }

  /** Throws SOURCE_DATABASE_FAILED where it cannot be used. */
  async version(): Promise<string> {
    this.#requireProgram()
    const answer = await this.#answer(this.#program(['--version']))
    const version = /^mongodump version: r?(\d+\.\d+\.\d+)/m.exec(answer)?.[1]
    if (version === undefined) {
      const shown = JSON.stringify(answer.slice(0, 80))
      throw databaseFailed(`${TOOL} --version says no version, but ${shown}`)
    }
    const isOld = compareVersions(version, TAKES_CONFIG) < 0
    if (!isOld && compareVersions(version, LOSES_DOCUMENTS) !== 0) return version
    const why = isOld
      ? 'is older than 100.3, and would need the password as an argument'
      : 'leaves out documents that have a field without a name'
    throw databaseFailed(
      `the ${TOOL} in PATH, ${version}, ${why}`,
      `install a newer ${PACKAGE}, and put its folder first into PATH`,
    )
  }

  /**
   * Whether the server answers, and lets this user in: the tool looks for a collection that nobody has, finds
   * none, and ends well. It has no other way to ask without dumping.
   */
  async connect(): Promise<void> {
    const { database } = this.#source
    const where = database === undefined ? ['--db=admin'] : []
    await this.#answer(this.program([...where, `--collection=${NO_COLLECTION}`]))
  }

  /** Debian has no such package, and nobody would look for one of this name. */
  #requireProgram(): void {
    try {
      findProgram(this.#program([]))
    } catch (error) {
      const hint = `install ${PACKAGE} from MongoDB's own repository, or put its folder into PATH`
      throw databaseFailed(`${messageOf(error)}: it comes with ${PACKAGE}`, hint, error)
    }
  }

  #program(args: readonly string[]): Program {
    const { environment, secrets, workingFolder } = this.#source
    return { argv: [TOOL, ...args], environment, secrets, workingFolder, chatter: CHATTER }
  }

  async #answer(program: Program): Promise<string> {
    const source = this.#source
    try {
      return await answerOf(program, { ...this.#context, timeoutMs: source.silenceMs })
    } catch (error) {
      const subject = source.database === undefined ? undefined : printable(source.database)
      throw error instanceof SpillwayError ? explained(source, subject, error) : error
    }
  }
}

/** YAML; any character may be in a password, and some that are no control characters end a line there. */
function configText({ uri, password }: MongodbSource): string {
  const line = (name: string, value: string): string => `${name}: "${escaped(value)}"\n`
  return line('uri', uri) + (password === undefined ? '' : line('password', password))
}

function escaped(text: string): string {
  return text.replace(/[^ !#-[\]-~]/gu, (character) => {
    const digits = character.codePointAt(0)!.toString(16)
    return `\\U${digits.padStart(8, '0')}`
  })
}
