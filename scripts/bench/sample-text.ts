// Rows of a database dump that never was: names, times, amounts, notes and random tokens, so mixed that zstd makes a quarter
// of it, as of real dumps. The same seed gives the same bytes on every machine.

const SEED = 20_260_101
const FIRST_ROW_MS = Date.UTC(2025, 0, 1)

// What people and programs write into such a column: a word here and there, and sentences that come back.
const NOTES = [
  'please ring twice',
  'leave with the neighbour',
  'gift wrapping',
  'call before delivery',
  'invoice sent by mail',
  'customer asked for a refund',
  'parcel was returned by the courier',
  'address could not be found',
  'one item out of stock, sent later',
  'discount of the spring campaign',
  'paid on account',
  'do not bend',
  'second attempt',
  'damaged in transit, replaced',
  'to be signed for',
  'picked up at the counter',
]
const WORDS = (
  'blue green large small left right front back door gate shop office yard kitchen floor before after noon evening week ' +
  'monday friday spare paper glass metal book lamp chair table box bag cable paint tool seed wool tea bread'
).split(' ')
const NAMES =
  'anna ben carla david elena farid greta hugo ines jonas kira luca mona nils olga paul rosa sven tara'
const FAMILIES =
  'meyer rossi novak silva jensen kowalski dubois garcia papadakis berg horvat lind costa'
const CITIES = 'Lisbon Turin Gdansk Bergen Lyon Ghent Porto Graz Split Aarhus Malaga Leipzig'
const STATES = ['new', 'paid', 'packed', 'shipped', 'shipped', 'shipped', 'returned', 'cancelled']
const [FIRST, LAST, PLACES] = [NAMES, FAMILIES, CITIES].map((names) => names.split(' ')) as [
  string[],
  string[],
  string[],
]

/** Endless rows. */
export class SampleText {
  #state = SEED
  #row = 0
  #minuteMs = FIRST_ROW_MS
  #minute = minuteOf(FIRST_ROW_MS)
  #second = 0

  /** At least `bytes` long, and ends with a whole row. */
  take(bytes: number): Buffer {
    const rows: string[] = []
    for (let length = 0; length < bytes;) {
      const row = this.#nextRow()
      rows.push(row)
      length += row.length
    }
    return Buffer.from(rows.join(''), 'latin1')
  }

  /** 0 to below `count`: xorshift32, which is quick and the same everywhere. */
  random(count: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % count
  }

  #pick(from: readonly string[]): string {
    return from[this.random(from.length)]!
  }

  #nextRow(): string {
    this.#row += 1
    this.#tick(this.random(40))
    const mail = `${this.#pick(FIRST)}.${this.#pick(LAST)}${this.random(100)}@example.com`
    const amount = `${this.random(500)}.${10 + this.random(90)}`
    const token = this.random(2 ** 32).toString(16) + this.random(2 ** 16).toString(16)
    return (
      `${this.#row}\t${10_000 + this.random(900_000)}\t${this.#minute}${twoDigits(this.#second)}\t${this.#pick(STATES)}\t` +
      `${mail}\t${this.#pick(PLACES)}\t${amount}\t${this.#note()}\t${token}\n`
    )
  }

  /** A date for every row would take as long as all the rest. */
  #tick(seconds: number): void {
    this.#second += seconds
    if (this.#second < 60) return
    this.#second -= 60
    this.#minuteMs += 60_000
    this.#minute = minuteOf(this.#minuteMs)
  }

  #note(): string {
    let note = this.#pick(NOTES)
    for (let more = this.random(3); more > 0; more -= 1)
      note += `; ${this.#pick(this.random(2) === 0 ? WORDS : NOTES)}`
    return note
  }
}

/** `2025-01-01 00:00:` */
function minuteOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 17).replace('T', ' ')
}

function twoDigits(number: number): string {
  return number < 10 ? `0${number}` : String(number)
}
