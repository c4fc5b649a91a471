// Runs the whole command line in this process, with a terminal that remembers what it was shown.

import { runCli } from '../../src/cli/cli.ts'
import type { Closable, CliIo, Command } from '../../src/cli/command.ts'

export type Ran = {
  readonly exit: number
  readonly out: readonly string[]
  readonly err: readonly string[]
  /** What `--json` printed; throws when that is not exactly one document. */
  readonly json: () => unknown
  /** How often services were opened and closed, and with which --config. */
  readonly opened: readonly (string | undefined)[]
  readonly closed: number
}

export type CommandLineOptions = {
  readonly isTerminal?: boolean
  readonly hasColour?: boolean
  readonly columns?: number
  readonly isJournal?: boolean
  readonly now?: Date
  readonly signal?: AbortSignal
  readonly close?: () => Promise<void>
  /** Where the bytes of `cat` go, instead of into `out`. */
  readonly write?: (bytes: Uint8Array) => Promise<void>
}

export async function commandLine<Services extends object>(
  commands: readonly Command<Services>[],
  open: () => Promise<Services> | Services,
  argv: readonly string[],
  options: CommandLineOptions = {},
): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const opened: (string | undefined)[] = []
  let closed = 0
  const screen = {
    isTerminal: options.isTerminal ?? false,
    hasColour: options.hasColour ?? false,
    columns: () => options.columns ?? 80,
  }
  const io: CliIo<Services> & { readonly version: string } = {
    version: '1.2.3',
    open: async ({ configFile }): Promise<Services & Closable> => {
      opened.push(configFile)
      const services = await open()
      const close = async () => {
        closed += 1
        await options.close?.()
      }
      return { ...services, close }
    },
    print: (line) => void out.push(...line.split('\n')),
    printError: (line) => void err.push(...line.split('\n')),
    write: options.write ?? (async (bytes) => void out.push(Buffer.from(bytes).toString())),
    showLive: () => {},
    flushed: async () => {},
    out: screen,
    err: screen,
    isJournal: options.isJournal ?? false,
    now: () => options.now ?? new Date('2026-03-02T12:00:00Z'),
    signal: options.signal ?? new AbortController().signal,
  }
  const entries = commands.map((command) => ({ ...command, load: () => Promise.resolve(command) }))
  const exit = await runCli(argv, entries, io)
  return { exit, out, err, opened, closed, json: () => JSON.parse(out.join('\n')) as unknown }
}
