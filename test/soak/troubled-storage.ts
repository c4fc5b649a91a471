// A storage whose server has weather, for one process of one host: requests that are refused, that are lost, and that
// are done while the answer is lost. It also watches whose keys are touched: a host never writes or deletes another's.

import { SpillwayError } from '../../src/domain/errors.ts'
import { hostOf } from './fleet.ts'
import type { FailureCode } from '../../src/domain/errors.ts'
import type { Random } from './random.ts'
import type { SimServer } from './fleet.ts'
import type { Storage } from '../../src/storage/storage.ts'

export type Trouble = {
  readonly server: SimServer
  readonly host: string
  readonly random: Random
  /** false: the weather passes this process by. */
  readonly isOn: boolean
  readonly hasWrongKeys: boolean
  readonly onTrouble: (what: string) => void
  readonly onForeignKey: (what: string) => void
}

/** What a request met: nothing is done, or it is done and nobody hears of it, or it will be done. */
type Met =
  { readonly code: FailureCode; readonly isDone: boolean; readonly isLate?: true } | undefined

const REFUSED = (code: FailureCode): Met => ({ code, isDone: false })
const ANSWER_LOST: Met = { code: 'SERVER_SILENT', isDone: true }

const LATE: Met = { code: 'SERVER_SILENT', isDone: false, isLate: true }

// On a day without weather: one request of some hundred, so that most nights are good ones.
const MISHAP = 0.003

// Of a Complete to be done only after the client has gone.
const LATENESS = 0.01

export function troubled(storage: Storage, trouble: Trouble): Storage {
  const { host, onForeignKey, random, server } = trouble
  const own = (operation: string, key: string): void => {
    if (hostOf(key) !== host) onForeignKey(`${operation} of ${key}, which is not of ${host}`)
  }
  const ask = async <Result>(
    name: string,
    work: () => Promise<Result>,
    late?: () => void,
  ): Promise<Result> => {
    if (server.isAtWorkFor(host) && random.chance(0.2)) server.bringOut(host)
    const met = meet(trouble, name)
    if (met?.isLate) late?.()
    if (met === undefined) return work()
    if (met.isDone) await work()
    throw failure(trouble, name, met)
  }
  async function* stream<Item>(name: string, items: AsyncIterable<Item>): AsyncGenerator<Item> {
    const met = meet(trouble, name)
    if (met?.isDone === false) throw failure(trouble, name, met)
    yield* items
    if (met !== undefined) throw failure(trouble, name, met)
  }
  return {
    limits: storage.limits,
    prepare: (signal) => storage.prepare(signal),
    begin: (target, signal) => {
      own('an upload', target.key)
      return ask('begin', () => storage.begin(target, signal))
    },
    putPart: (upload, part, signal) => {
      own('a part', upload.key)
      return ask('putPart', () => storage.putPart(upload, part, signal))
    },
    complete: (upload, parts, signal) => {
      own('a completion', upload.key)
      return ask(
        'complete',
        () => storage.complete(upload, parts, signal),
        () => server.completeLater(upload, parts),
      )
    },
    isIntact: (head, sent, signal) => ask('isIntact', () => storage.isIntact(head, sent, signal)),
    abort: (upload, signal) => {
      own('an abort', upload.key)
      return ask('abort', () => storage.abort(upload, signal))
    },
    head: (key, signal) => ask('head', () => storage.head(key, signal)),
    read: (key, range, signal) => stream('read', storage.read(key, range, signal)),
    remove: (key, versionId, signal) => {
      own('a delete', key)
      return ask('remove', () => storage.remove(key, versionId, signal))
    },
    list: (prefix, signal) => stream('list', storage.list(prefix, signal)),
    listUploads: (key, signal) => stream('listUploads', storage.listUploads(key, signal)),
    putSmall: (key, body, token, signal) => {
      own('an object', key)
      return ask('putSmall', () => storage.putSmall(key, body, token, signal))
    },
    ...(storage.clockOffsetMs === undefined
      ? {}
      : { clockOffsetMs: () => storage.clockOffsetMs?.() ?? 0 }),
    close: () => storage.close(),
  }
}

function meet({ server, random, isOn, hasWrongKeys }: Trouble, name: string): Met {
  if (!isOn) return undefined
  if (name === 'complete' && random.chance(LATENESS)) return LATE
  if (hasWrongKeys) return REFUSED('SERVER_KEYS')
  switch (server.weather) {
    case 'unreachable':
      return REFUSED('SERVER_UNREACHABLE')
    case 'silent':
      return random.chance(0.5) ? ANSWER_LOST : REFUSED('SERVER_SILENT')
    case 'busy':
      if (random.chance(0.05)) return ANSWER_LOST
      return random.chance(0.1) ? REFUSED('SERVER_BUSY') : undefined
    case 'keeps all':
      if (name === 'remove') return REFUSED('SERVER_DENIED')
      break
    case 'full':
    case 'well':
      break
  }
  if (!random.chance(MISHAP)) return undefined
  return random.chance(0.5) ? ANSWER_LOST : REFUSED('SERVER_CLOSED')
}

function failure(
  { server, onTrouble }: Trouble,
  name: string,
  met: Exclude<Met, undefined>,
): SpillwayError {
  const done = met.isDone ? ', though it was done' : met.isLate ? ', and will be done' : ''
  onTrouble(`${server.name}: ${name} meets ${met.code}${done}`)
  return new SpillwayError(met.code, `${server.name}: ${name} failed in the soak${done}`)
}
