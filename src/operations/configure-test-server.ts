// The live test of one server that is not saved yet: the self-test's checks, told in lines.

import type { Server } from '../domain/server.ts'
import { checkServer } from './check-server.ts'
import type { ServerCheck } from './check-server.ts'
import { measured } from './self-test.ts'
import type { OpenStorage } from './server-pool.ts'

export type TestResult = {
  /** The nightly run could store archives there. */
  readonly ok: boolean
  readonly lines: readonly string[]
}

export type TestServer = (server: Server, signal: AbortSignal) => Promise<TestResult>

/** `serverId` is where the test's objects go; they are removed again. */
export async function testServer(
  services: { readonly openStorage: OpenStorage; readonly serverId: string },
  server: Server,
  signal: AbortSignal,
): Promise<TestResult> {
  const storage = services.openStorage(server, false)
  try {
    // What lies there is counted before the first archive, not by this test.
    const spareBytes = server.limitBytes
    const result = await checkServer(
      { server, storage, serverId: services.serverId, spareBytes },
      signal,
    )
    return { ok: result.isUsable, lines: linesOf(result) }
  } finally {
    storage.close()
  }
}

function linesOf(result: ServerCheck): string[] {
  const lines = result.checks.flatMap(({ needed, outcome, message, hint }) => {
    const reason = message === undefined ? '' : `: ${message}`
    return [
      `${outcome.padEnd(7)}  ${needed}${reason}`,
      ...(hint === undefined ? [] : [`         hint: ${hint}`]),
    ]
  })
  const figures = measured(result)
  const left = result.leftovers.map((name) => `could not be removed again: ${name}`)
  return [...lines, ...(figures === '' ? [] : [figures]), ...left]
}
