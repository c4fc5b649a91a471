// A process of Spillway that may be killed at any step. From that moment on no call of it comes back: no catch and no
// finally of the product runs, as with kill -9, and whoever waits for it is told. What it had on disk and on servers
// stays as it is.

export class Life {
  isDead = false
  /** Resolves when it dies. */
  readonly death: Promise<'died'>
  /** The step at which it died. */
  diedAt = ''
  steps = 0
  #stepsLeft: number
  #inFlight = 0
  #tellDeath: (word: 'died') => void = () => {}
  #tellIdle: () => void = () => {}

  /** Each call is two steps, before and after it; without a number it lives as long as its work. */
  constructor(stepsLeft = Number.POSITIVE_INFINITY) {
    this.#stepsLeft = stepsLeft
    this.death = new Promise((resolve) => (this.#tellDeath = resolve))
  }

  /** The service with every asynchronous method as two steps. `plain` methods are synchronous ones. */
  guard<Service extends object>(owner: string, service: Service, plain: RegExp = /^$/): Service {
    return new Proxy(service, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        const call = (value as (...args: unknown[]) => unknown).bind(target)
        if (typeof name !== 'string' || plain.test(name)) return call
        const step = `${owner}.${name}`
        if (STREAMS.test(name))
          return (...args: unknown[]) => this.#stream(step, call(...args) as AsyncIterable<unknown>)
        return (...args: unknown[]) => this.step(step, async () => call(...args))
      },
    })
  }

  async step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    await this.#moment(`before ${name}`)
    this.#inFlight += 1
    let result: Result
    try {
      result = await work()
    } finally {
      this.#inFlight -= 1
      if (this.#inFlight === 0) this.#tellIdle()
      if (this.isDead) await FOR_EVER
    }
    await this.#moment(`after ${name}`)
    return result
  }

  /** When nothing of it goes on any more. */
  async settled(): Promise<void> {
    this.isDead = true
    while (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#tellIdle = resolve))
    // What runs between two steps: a file that is renamed or removed.
    for (let turn = 0; turn < TURNS; turn += 1)
      await new Promise((resolve) => setImmediate(resolve))
  }

  async #moment(name: string): Promise<void> {
    if (this.isDead) await FOR_EVER
    this.steps += 1
    this.#stepsLeft -= 1
    if (this.#stepsLeft > 0) return
    this.isDead = true
    this.diedAt = name
    this.#tellDeath('died')
    await FOR_EVER
  }

  async *#stream(step: string, items: AsyncIterable<unknown>): AsyncGenerator {
    await this.#moment(`before ${step}`)
    for await (const item of items) {
      if (this.isDead) await FOR_EVER
      yield item
    }
    await this.#moment(`after ${step}`)
  }
}

const STREAMS = /^(?:read|list|listUploads)$/

// A call of the system takes a turn or two of the event loop; between two steps there are a few of them.
const TURNS = 10

const FOR_EVER = new Promise<never>(() => {})
