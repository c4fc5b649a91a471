// A simulated host: its env file, which people change, and its one or two folders, which change a little every day.
// What it may hold lies in a folder of its own; nothing of the product is known here but the names of settings.

import { createHash } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BUCKET } from './fleet.ts'
import { identityOf } from '../../src/domain/server.ts'
import { Random } from './random.ts'
import type { KeepRules } from './keep-rules.ts'
import type { SimServer } from './fleet.ts'

export type Entry = {
  readonly server: SimServer
  number: number
  limitBytes: number
  isEnabled: boolean
  /** Until this day it is not in the file. */
  absentUntil: number
}

export type SimSource = {
  readonly name: string
  readonly path: string
  state: 'there' | 'away' | 'empty'
}

// A host has some 200 to 600 kB on each of its servers: from too little to more than is ever needed.
const LIMIT_PER_USER_BYTES = [300_000, 2_500_000] as const

const NO_RULES: KeepRules = { last: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 }

const POLICIES: readonly Partial<KeepRules>[] = [
  { last: 7 },
  { last: 3, weekly: 4, monthly: 6 },
  { daily: 7, weekly: 5, monthly: 12, yearly: 2 },
  { withinDays: 14, monthly: 4 },
  { daily: 14 },
  { last: 1, weekly: 8 },
]

export class SimHost {
  readonly name: string
  readonly folder: string
  readonly sources: readonly SimSource[]
  readonly entries: Entry[]
  keep: KeepRules
  wantedCopies: number
  localKeep: number
  verifiesNightly: boolean
  spoolIsSmall = false
  /** Where there are two sources. */
  readonly isParallel: boolean
  hasWrongKeys = false
  /** Its clock minus the right one. */
  clockOffsetMs = 0

  constructor(input: {
    readonly seed: number
    readonly name: string
    readonly folder: string
    readonly servers: readonly SimServer[]
    /** How many hosts a server has: what others put there counts against each one's limit. */
    readonly usersPerServer: number
  }) {
    const { seed, name, folder, servers, usersPerServer } = input
    const random = new Random(seed, name, 'setup')
    this.name = name
    this.folder = join(folder, name)
    mkdirSync(this.folder)
    const count = random.chance(0.25) ? 2 : 1
    this.sources = Array.from({ length: count }, (_, index) => ({
      name: index === 0 ? 'docs' : 'mail',
      path: join(this.folder, `source-${index + 1}`),
      state: 'there',
    }))
    for (const source of this.sources) this.#fill(source, random)
    this.entries = random
      .shuffled(servers)
      .slice(0, random.between(2, Math.min(3, servers.length)))
      .map((server, index) => ({
        ...{ server, number: index + 1, isEnabled: true, absentUntil: 0 },
        limitBytes: usersPerServer * random.between(...LIMIT_PER_USER_BYTES),
      }))
    this.wantedCopies = random.chance(0.4) ? 2 : 1
    this.localKeep = random.chance(0.2) ? random.between(1, 2) : 0
    this.verifiesNightly = random.chance(0.3)
    this.keep = { ...NO_RULES, ...random.pick(POLICIES) }
    this.isParallel = new Random(seed, name, 'lanes').chance(0.7)
  }

  newPolicy(random: Random): void {
    this.keep = { ...NO_RULES, ...random.pick(POLICIES) }
  }

  /** In the file today. */
  configured(): readonly Entry[] {
    return this.entries.filter(({ absentUntil }) => absentUntil === 0)
  }

  enabled(): readonly Entry[] {
    return this.configured().filter(({ isEnabled }) => isEnabled)
  }

  /** More than there are servers are an error of the settings. */
  get copies(): number {
    return Math.min(this.wantedCopies, this.enabled().length)
  }

  entryOf(identity: string): Entry | undefined {
    return this.entries.find((entry) => this.identityOf(entry) === identity)
  }

  identityOf({ server }: Entry): string {
    return identityOf(server.model.endpoint, BUCKET, server.prefix)
  }

  get envFile(): string {
    return join(this.folder, '.env')
  }

  get catalogPath(): string {
    return join(this.folder, 'data', 'catalog.db')
  }

  get spoolDir(): string {
    return join(this.folder, 'data', 'spool')
  }

  writeEnv(): void {
    const lines = [
      `SERVER_ID=${this.name}`,
      `COPIES=${this.copies}`,
      `LOCAL_KEEP=${this.localKeep}`,
    ]
    const { last, daily, weekly, monthly, yearly, withinDays } = this.keep
    const rules = { last, daily, weekly, monthly, yearly, within_days: withinDays }
    for (const [rule, count] of Object.entries(rules))
      if (count > 0) lines.push(`KEEP_${rule.toUpperCase()}=${count}`)
    if (this.verifiesNightly) lines.push('VERIFY_NIGHTLY_GB=0.00005')
    if (this.isParallel) lines.push('PARALLEL_SOURCES=2')
    if (this.spoolIsSmall) lines.push('SPOOL_LIMIT_GB=0.000002')
    for (const [index, { name, path }] of this.sources.entries())
      lines.push(`SOURCE_${index + 1}_NAME=${name}`, `SOURCE_${index + 1}_PATH=${path}`)
    for (const { server, number, limitBytes, isEnabled } of this.configured()) {
      const { endpoint, keys } = server.model
      const settings = {
        ...{ ENDPOINT: endpoint, REGION: keys.region, BUCKET, ACCESS_KEY: keys.accessKey },
        SECRET_KEY: keys.secretKey,
        STORAGE_LIMIT_GB: (limitBytes / 1e9).toFixed(9),
        ENABLED: String(isEnabled),
        ...(server.prefix === '' ? {} : { PREFIX: server.prefix }),
      }
      for (const [setting, value] of Object.entries(settings))
        lines.push(`S3_SERVER_${number}_${setting}=${value}`)
    }
    writeFileSync(this.envFile, `${lines.join('\n')}\n`, { mode: 0o600 })
  }

  /** A day's work: a file or two change, one may come or go. */
  work(random: Random): void {
    for (const { path, state } of this.sources) {
      if (state !== 'there') continue
      const names = readdirSync(path).filter((name) => name.startsWith('file-'))
      if (names.length > 3 && random.chance(0.1)) rmSync(join(path, random.pick(names)))
      writeFileSync(join(path, `file-${random.between(1, 6)}`), content(random))
      writeFileSync(join(path, 'inside', 'diary'), `day ${random.between(1, 1e6)}\n`)
    }
  }

  setSource(source: SimSource, state: SimSource['state']): void {
    const aside = `${source.path}.aside`
    if (source.state !== 'there') {
      rmSync(source.path, { recursive: true, force: true })
      renameSync(aside, source.path)
    }
    source.state = state
    if (state === 'there') return
    renameSync(source.path, aside)
    if (state === 'empty') mkdirSync(source.path)
  }

  loseCatalog(): void {
    for (const end of ['', '-wal', '-shm']) rmSync(this.catalogPath + end, { force: true })
  }

  #fill({ path }: SimSource, random: Random): void {
    mkdirSync(join(path, 'inside'), { recursive: true })
    for (const number of [1, 2, 3, 4]) writeFileSync(join(path, `file-${number}`), content(random))
    writeFileSync(join(path, 'inside', 'diary'), 'day 0\n')
  }
}

// Noise, so that archives have the sizes of what is in them.
const content = (random: Random): Buffer => random.bytes(random.between(500, 6_000))

/** Of names and contents; '' where there is no folder. */
export function digestOf(folder: string): string {
  if (!existsSync(folder)) return ''
  const hash = createHash('sha256')
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(folder, name)
    hash.update(`${name}\0`)
    if (statSync(path).isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}
