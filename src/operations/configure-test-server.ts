// The live test of one server that is not saved yet: the self-test's checks, told in lines.

import type { Config } from '../domain/config.ts'
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

export type TestServer = (
  server: Server,
  signal: AbortSignal,
  surroundings: Pick<Config, 'proxy' | 'serverId'>,
) => Promise<TestResult>

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
  // One reason is enough: what was not tried after a failure only pushes it off the screen.
  const skipped = result.checks.filter(({ outcome }) => outcome === 'skipped')
  const shown =
    skipped.length > 1 ? result.checks.filter((check) => !skipped.includes(check)) : result.checks
  const lines = shown.flatMap(({ needed, outcome, message, hint }) => {
    const reason = message === undefined ? '' : `: ${message}`
    return [
      `${outcome.padEnd(7)}  ${needed}${reason}`,
      ...(hint === undefined ? [] : [`         hint: ${hint}`]),
    ]
  })
  if (skipped.length > 1) lines.push(`skipped  ${skipped.map(({ needed }) => needed).join(', ')}`)
  const figures = measured(result)
  const left = result.leftovers.map((name) => `could not be removed again: ${name}`)
  return [...lines, ...(figures === '' ? [] : [figures]), ...left]
}
