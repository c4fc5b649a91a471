// The live tests of a form that is not saved: the entry as it would be, in a draft that is thrown away. What is tried
// is what the self-test, the wizard and notify-test try.

import type { ConfigPlace } from '../config/load.ts'
import { entryName } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import { readNotifications } from '../config/notifications.ts'
import type { Problem } from '../config/problem.ts'
import { readServer } from '../config/servers.ts'
import { readOneSource } from '../config/sources.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { createRedactor } from '../lib/redact.ts'
import type { Redactor } from '../lib/redact.ts'
import { openDraft } from './configure.ts'
import type { ConfigDraft } from './configure.ts'
import type { TestResult } from './configure-test-server.ts'
import { testSource } from './configure-test-source.ts'
import { applyChange } from './change-settings.ts'
import type { SettingsChange } from './change-settings.ts'
import { testNotifications } from './notify-test.ts'
import { warningsOf } from './plan-run.ts'
import { selfTest } from './self-test.ts'
import type { TestedServer } from './self-test.ts'
import type { Services } from './services.ts'
import { SettingsRefusal } from './settings-refusal.ts'

export type Unsaved = {
  readonly place: ConfigPlace
  /** A saved entry, from which comes what is not given. */
  readonly number: number | undefined
  readonly settings: SettingsChange
}

export async function testUnsavedServer(
  services: Pick<Services, 'config' | 'catalogIfPresent' | 'openStorage'>,
  unsaved: Unsaved,
  signal: AbortSignal,
): Promise<TestedServer> {
  const { draft, number } = await drafted('S3_SERVER', unsaved)
  const problems: Problem[] = []
  const server = readServer(draft.joined, number, { envFileDir: draft.envFileDir }, problems)
  if (server === undefined) throw new SettingsRefusal('SETTINGS_WRONG', problems)
  const input = {
    // It is to be tried, also while it is switched off.
    config: { ...services.config, servers: [{ ...server, isEnabled: true }] },
    catalog: await services.catalogIfPresent(),
    openStorage: await services.openStorage(),
    nodeVersion: process.version,
  }
  const asked = { numbers: [number], onTested: () => undefined }
  const { servers } = await selfTest(input, asked, signal)
  // What the server answered may repeat what it was sent.
  const redact = createRedactor(server.kind === 's3' ? [server.secretKey] : [])
  return withoutSecrets(servers[0]!, redact)
}

function withoutSecrets(tested: TestedServer, redact: Redactor): TestedServer {
  const { remarks, result } = tested
  const checks = result?.checks.map((check) => ({
    ...check,
    ...(check.message === undefined ? {} : { message: redact(check.message) }),
  }))
  return {
    ...tested,
    remarks: remarks.map(redact),
    result: result === undefined ? undefined : { ...result, checks: checks ?? [] },
  }
}

export async function testUnsavedSource(
  services: Pick<Services, 'packer'>,
  unsaved: Unsaved,
  signal: AbortSignal,
): Promise<TestResult> {
  const { draft, number } = await drafted('SOURCE', unsaved)
  const problems: Problem[] = []
  const source = readOneSource(draft.joined, number, { envFileDir: draft.envFileDir }, problems)
  if (source === undefined) throw new SettingsRefusal('SETTINGS_WRONG', problems)
  const redact = createRedactor(source.kind === 'folder' ? [] : source.secrets)
  try {
    const packer = await services.packer()
    if (source.kind === 'folder') {
      const found = await packer.survey({ source, ownPaths: [] }, signal)
      const { memberCount, sourceBytes } = found
      const size = sourceBytes === undefined ? 'of unknown size' : formatBytes(sourceBytes)
      const lines = [`${memberCount ?? 'some'} files and folders, ${size}`, ...warningsOf(found)]
      return { ok: true, lines }
    }
    const { ok, lines } = await testSource(packer, source, signal)
    const told =
      lines.length === 0 ? ['its program is there; what it writes, only a run sees'] : lines
    return { ok, lines: told.map(redact) }
  } catch (error) {
    // A failure of the test is an answer, too; an interruption is none, and neither is a bug.
    if (signal.aborted || isFailure(error, 'INTERRUPTED')) throw error
    if (!(error instanceof SpillwayError)) throw error
    const hint = error.hint === undefined ? [] : [`hint: ${error.hint}`]
    return { ok: false, lines: [messageOf(error), ...hint].map(redact) }
  }
}

export type TestedUnsaved = { readonly delivered: boolean; readonly reason: string | null }

export async function testUnsavedNotification(
  services: Pick<Services, 'config' | 'notifier'>,
  unsaved: Unsaved,
): Promise<TestedUnsaved> {
  const { draft, number } = await drafted('NOTIFY', unsaved)
  const problems: Problem[] = []
  const all = readNotifications(draft.joined, { envFileDir: draft.envFileDir }, problems)
  const notification = all.find((each) => each.number === number)
  if (notification === undefined)
    throw new SettingsRefusal(
      'SETTINGS_WRONG',
      problems.filter(({ variable }) => entryName(variable)?.number === number),
    )
  const config = { ...services.config, notifications: [notification] }
  const [tested] = await testNotifications({ ...services, config }, [], () => undefined)
  const redact = createRedactor(notification.secrets)
  const { problem = null } = tested ?? {}
  return { delivered: problem === null, reason: problem === null ? null : redact(problem) }
}

async function drafted(
  kind: EntryKind,
  { place, number, settings }: Unsaved,
): Promise<{ readonly draft: ConfigDraft; readonly number: number }> {
  const draft = openDraft(place)
  return { draft, number: await applyChange(draft, { kind, number, settings }) }
}
