// Redis and Valkey as a source: the snapshot of all databases that the server sends to a replica, as one file,
// which a server loads when it starts. A child process fetches it (redis-client.ts); it is checked as it
// passes (rdb-reader.ts), and there is no copy on disk.

import type { Warning } from '../domain/archive.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Program, RedisSource } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { databaseListOutput, timesOf } from './database-list.ts'
import type { OutputContext, OutputSeries, OutputSurvey, ProgramOutput } from './output.ts'
import { ownProgram, toldFailure } from './own-program.ts'
import type { RedisOrder } from './redis-client.ts'
import type { RedisFacts } from './redis-facts.ts'
import { SecretFolder } from './secret-folder.ts'

/** What a server looks for when it starts. */
const SNAPSHOT_FILE = 'dump.rdb'

export async function surveyRedis(
  source: RedisSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  const tools = new RedisTools(source, context)
  try {
    const { usedBytes, databases } = await tools.facts()
    return {
      sourceBytes: usedBytes,
      memberCount: 2,
      parts: databases.map(({ name, keys }) => ({
        name: `${name}, ${keys} keys`,
        sizeBytes: undefined,
      })),
    }
  } finally {
    tools.close()
  }
}

export async function* redisOutputs(source: RedisSource, context: OutputContext): OutputSeries {
  const tools = new RedisTools(source, context)
  try {
    const server = await tools.facts()
    const output = snapshotOutput(source, tools)
    const facts = yield output
    const warnings: Warning[] = [facts.said, facts.found.unchecked ?? '']
      .filter((reason) => reason !== '')
      .map((reason) => ({ path: SNAPSHOT_FILE, reason }))
    const { version, usedBytes, role, databases } = server
    const keys = databases.reduce((sum, each) => sum + each.keys, 0)
    yield databaseListOutput({
      ...{ kind: source.kind, server: { version }, tool: { name: 'SYNC', version } },
      ...{ isWholeServer: true, globals: null, leftOut: [] },
      databases: [
        {
          ...{ name: source.text, file: SNAPSHOT_FILE, dumpBytes: facts.sizeBytes },
          ...{ databaseBytes: usedBytes ?? null, ...timesOf(facts) },
          properties: { product: server.product, role, keys: String(keys) },
        },
      ],
    })
    const others = 'a part of a cluster: its other servers are sources of their own'
    return { warnings, notes: server.isCluster ? [{ path: SNAPSHOT_FILE, reason: others }] : [] }
  } finally {
    tools.close()
  }
}

function snapshotOutput(source: RedisSource, tools: RedisTools): ProgramOutput {
  return {
    kind: 'program',
    fileName: SNAPSHOT_FILE,
    program: tools.program('dump'),
    format: 'redis-rdb',
    accept: ({ found: { problem } }) => {
      if (problem === undefined) return
      throw databaseFailed(
        `the snapshot of ${source.text} ${problem}`,
        'see the log of the server; redis-check-rdb checks what it has on disk',
      )
    },
    explain: (failure) => toldTo(source, failure),
  }
}

/** The programs of one source, with their order and its password in a file. `close` takes that away. */
class RedisTools {
  readonly #source: RedisSource
  readonly #context: OutputContext
  readonly #secrets: SecretFolder
  readonly #orderFile: string

  constructor(source: RedisSource, context: OutputContext) {
    this.#source = source
    this.#context = context
    this.#secrets = new SecretFolder(context.folder)
    const { address, password, text, silenceMs } = source
    const order: RedisOrder = { address, password, text, silenceMs }
    this.#orderFile = this.#secrets.write('order.json', JSON.stringify(order))
  }

  close(): void {
    this.#secrets.remove()
  }

  program(what: 'info' | 'dump'): Program {
    return ownProgram('redis-program', [what, this.#orderFile], this.#source)
  }

  async facts(): Promise<RedisFacts> {
    const source = this.#source
    const timeoutMs = source.silenceMs
    let answer
    try {
      answer = await answerOf(this.program('info'), { ...this.#context, timeoutMs })
    } catch (error) {
      throw error instanceof SpillwayError ? toldTo(source, error) : error
    }
    const facts = JSON.parse(answer) as RedisFacts
    requireSound(source, facts)
    return facts
  }
}

function requireSound(source: RedisSource, facts: RedisFacts): void {
  const { text, number, mayBeEmpty } = source
  if (facts.isSentinel)
    throw databaseFailed(`${text} is a sentinel, which holds no data`, 'name the server itself')
  if (facts.isLoading)
    throw databaseFailed(
      `${text} is still loading its data`,
      'it has just been started: the next run is right again',
    )
  if (facts.databases.length > 0 || mayBeEmpty) return
  throw new SpillwayError('SOURCE_EMPTY', `${text} has no key in any database`, {
    hint: `if that is meant, set SOURCE_${number}_ALLOW_EMPTY=true`,
  })
}

function toldTo(source: RedisSource, failure: SpillwayError): SpillwayError {
  const told = toldFailure(failure)
  if (told === undefined) return explained(source, undefined, failure)
  return databaseFailed(
    told.message,
    told.hint?.replaceAll('SOURCE_N', `SOURCE_${source.number}`),
    failure,
  )
}
