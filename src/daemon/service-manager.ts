// What the daemon tells systemd (sd_notify): that it answers, that it is alive, that it stops. Without a service
// manager nothing is sent.

import { messageOf } from '../domain/errors.ts'
import { systemCalls } from '../lib/system-calls.ts'

export type ServiceManagerInput = {
  readonly socket: string | undefined
  readonly watchdogMs: number | undefined
  readonly log: (line: string) => void
}

export class ServiceManager {
  readonly #input: ServiceManagerInput
  #timer: NodeJS.Timeout | undefined

  constructor(input: ServiceManagerInput) {
    this.#input = input
  }

  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}\nMAINPID=${process.pid}`)
    const { watchdogMs } = this.#input
    if (watchdogMs === undefined) return
    // Twice in its time, as sd_watchdog_enabled(3) asks for. A thread that hangs sends nothing.
    this.#timer = setInterval(() => this.#send('WATCHDOG=1'), watchdogMs / 2)
  }

  stopping(): void {
    clearInterval(this.#timer)
    this.#send('STOPPING=1')
  }

  #send(text: string): void {
    const { socket, log } = this.#input
    if (socket === undefined) return
    const calls = systemCalls()
    if (calls === undefined) {
      log('systemd cannot be told how the daemon is: this machine has no koffi')
      return
    }
    try {
      calls.sendDatagram(socket, text)
    } catch (error) {
      log(`systemd cannot be told how the daemon is: ${messageOf(error)}`)
    }
  }
}
