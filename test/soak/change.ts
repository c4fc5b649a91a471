// What people change in the settings of a host from one day to the next, and what happens to its machine; and how all
// of that is undone for the calm days at the end.

import { DAY_MS } from './virtual-time.ts'
import type { Day } from './day.ts'
import type { Inhabitant } from './night.ts'

export function change(life: Inhabitant, { day, random, counts }: Day): void {
  const { host } = life
  const { entries } = host
  const told = (what: string): void => {
    counts.changes += 1
    life.tell(what)
  }
  if (host.clockOffsetMs !== 0 && random.chance(0.6)) host.clockOffsetMs = 0
  else if (random.chance(0.003)) {
    host.clockOffsetMs = random.pick([-3, -1, 40, 400]) * DAY_MS
    counts.clockJumps += 1
    told(`the clock jumps by ${host.clockOffsetMs / DAY_MS} days`)
  }
  for (const source of host.sources) {
    if (source.state !== 'there' && random.chance(0.5)) host.setSource(source, 'there')
    else if (source.state === 'there' && random.chance(0.015)) {
      host.setSource(source, random.pick(['away', 'empty'] as const))
      told(`${source.name} is ${source.state}`)
    }
  }
  host.spoolIsSmall = host.spoolIsSmall ? random.chance(0.5) : random.chance(0.01)
  host.hasWrongKeys = host.hasWrongKeys ? random.chance(0.6) : random.chance(0.008)
  if (host.hasWrongKeys || host.spoolIsSmall)
    told(`keys wrong: ${host.hasWrongKeys}, spool small: ${host.spoolIsSmall}`)
  for (const entry of entries) {
    if (entry.absentUntil !== 0 && entry.absentUntil <= day) {
      entry.absentUntil = 0
      told(`${entry.server.name} is put back`)
    }
  }
  if (random.chance(0.015)) {
    const entry = random.pick(entries)
    entry.limitBytes = Math.max(200_000, Math.round(entry.limitBytes * (0.5 + 1.5 * random.next())))
    told(`the limit of ${entry.server.name} is ${entry.limitBytes} now`)
  }
  if (random.chance(0.006)) {
    const numbers = random.shuffled(entries.map((_, index) => index + 1))
    entries.forEach((entry, index) => (entry.number = numbers[index]! * 10))
    told(`servers are numbered ${entries.map(({ number }) => number).join()} now`)
  }
  if (random.chance(0.008) && host.enabled().length > 1 && life.catalog === 'known') {
    const entry = random.pick(host.enabled())
    entry.absentUntil = day + random.between(1, 20)
    told(`${entry.server.name} leaves the env file`)
  }
  if (random.chance(0.006)) {
    const entry = random.pick(entries)
    entry.isEnabled = !entry.isEnabled
    if (host.enabled().length === 0) entry.isEnabled = true
    told(`${entry.server.name} is ${entry.isEnabled ? 'enabled' : 'disabled'}`)
  } else if (random.chance(0.2)) for (const entry of entries) entry.isEnabled = true
  if (random.chance(0.008)) {
    host.newPolicy(random)
    told(`the rules are ${JSON.stringify(host.keep)} now`)
  }
  if (random.chance(0.006)) {
    host.wantedCopies = 3 - host.wantedCopies
    told(`COPIES is ${host.wantedCopies} now`)
  }
  const isWhole = entries.every(({ absentUntil, isEnabled }) => absentUntil === 0 && isEnabled)
  if (random.chance(0.006) && day > 5 && isWhole && life.catalog === 'known') {
    host.loseCatalog()
    for (const { server } of entries)
      for (const { uploadId } of server.uploadsOf(host.name)) life.orphans.add(uploadId)
    life.catalog = 'lost'
    counts.catalogsLost += 1
    told('the catalog is lost')
  }
}

export function calmDown({ host }: Inhabitant): void {
  host.clockOffsetMs = 0
  host.hasWrongKeys = false
  host.spoolIsSmall = false
  for (const source of host.sources) if (source.state !== 'there') host.setSource(source, 'there')
  for (const entry of host.entries) {
    entry.absentUntil = 0
    entry.isEnabled = true
    // Room for everything that waits.
    entry.limitBytes = 5_000_000_000
  }
}
