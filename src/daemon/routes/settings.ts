// The settings: what the env file says, and changes of it. Servers, sources and notifications are entries of one shape
// and share their routes; what they do is in operations/.

import type { z } from 'zod'
import { changeSettings, orderSettings, removeSettings } from '../../operations/change-settings.ts'
import type { EntryKind } from '../../config/names.ts'
import { defineRoute } from '../route.ts'
import type { Daemon, Route, RouteSpec } from '../route.ts'
import { openDraft } from '../../operations/configure.ts'
import { settingsDocument } from '../../operations/settings-document.ts'
import { testedDocument, TESTED } from './servers.ts'
import {
  CHANGE,
  NUMBER_PATH,
  ORDER,
  REVISION_QUERY,
  SAVED,
  SAVED_ENTRY,
  SETTINGS,
  TESTED_NOTIFICATION,
  TESTED_SOURCE,
  UNSAVED,
} from './settings-shapes.ts'
import {
  testUnsavedNotification,
  testUnsavedServer,
  testUnsavedSource,
} from '../../operations/test-settings.ts'

type Entries = {
  readonly kind: EntryKind
  readonly at: string
  readonly one: string
  readonly many: string
}

const SERVERS: Entries = { kind: 'S3_SERVER', at: '/api/servers', one: 'server', many: 'servers' }
const SOURCES: Entries = { kind: 'SOURCE', at: '/api/sources', one: 'source', many: 'sources' }
const NOTIFICATIONS: Entries = {
  ...{ kind: 'NOTIFY', at: '/api/notifications' },
  ...{ one: 'notification', many: 'notifications' },
}

const COMMON = { scope: 'admin', tag: 'settings' } as const

export const settingsRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/api/settings', scope: 'read', tag: 'settings' },
    summary:
      'what the env file says without its secrets, what is wrong with it, and what may be set',
    reply: { status: 200, description: 'The settings', document: SETTINGS },
    handle: async (_asked, { settings }) => settingsDocument(openDraft(settings.place)),
  }),
  defineRoute({
    ...{ ...COMMON, method: 'PATCH', at: '/api/settings' },
    summary: 'change settings that stand alone',
    body: CHANGE,
    reply: { status: 200, description: 'The settings as they are now', document: SETTINGS },
    handle: async ({ body }, daemon) => {
      await changed(daemon, { kind: undefined, ...body, revision: body.revision })
      return settingsDocument(openDraft(daemon.settings.place))
    },
  }),
  ...[SERVERS, SOURCES, NOTIFICATIONS].flatMap(entryRoutes),
  unsavedRoute(SERVERS, TESTED, async ({ body, signal }, daemon) => {
    const services = await daemon.services()
    return testedDocument(await testUnsavedServer(services, unsavedOf(daemon, body), signal))
  }),
  unsavedRoute(SOURCES, TESTED_SOURCE, async ({ body, signal }, daemon) => {
    const services = await daemon.services()
    return testUnsavedSource(services, unsavedOf(daemon, body), signal)
  }),
  unsavedRoute(NOTIFICATIONS, TESTED_NOTIFICATION, async ({ body }, daemon) => {
    const services = await daemon.services()
    return testUnsavedNotification(services, unsavedOf(daemon, body))
  }),
]

function entryRoutes({ kind, at, one, many }: Entries): readonly Route[] {
  return [
    defineRoute({
      ...{ ...COMMON, method: 'POST', at },
      summary: `add a ${one} behind the others`,
      body: CHANGE,
      reply: { status: 201, description: 'It is saved', document: SAVED_ENTRY },
      handle: async ({ body }, daemon) => changed(daemon, { kind, ...body }),
    }),
    defineRoute({
      ...{ ...COMMON, method: 'PATCH', at: `${at}/{number}` },
      summary: `change a ${one}`,
      path: NUMBER_PATH,
      body: CHANGE,
      reply: { status: 200, description: 'It is saved', document: SAVED_ENTRY },
      handle: async ({ body, path }, daemon) =>
        changed(daemon, { kind, ...body, number: path.number }),
    }),
    defineRoute({
      ...{ ...COMMON, method: 'DELETE', at: `${at}/{number}` },
      summary: `remove a ${one} from the settings; what is archived stays`,
      path: NUMBER_PATH,
      query: REVISION_QUERY,
      reply: { status: 200, description: 'It is removed', document: SAVED },
      handle: async ({ path, query }, daemon) =>
        daemon.settings.change(async (place) =>
          removeSettings({
            ...{ place, kind, number: path.number, revision: query.revision },
            catalog: await catalogOf(daemon),
          }),
        ),
    }),
    defineRoute({
      ...{ ...COMMON, method: 'PUT', at: `${at}/order` },
      summary: `put the ${many} into another order: their numbers are dealt out anew`,
      body: ORDER,
      reply: { status: 200, description: 'It is saved', document: SAVED },
      handle: async ({ body }, daemon) =>
        daemon.settings.change(async (place) =>
          orderSettings({
            ...{ place, kind, order: body.order, revision: body.revision },
            catalog: await catalogOf(daemon),
          }),
        ),
    }),
  ]
}

async function changed(
  daemon: Daemon,
  input: z.output<typeof CHANGE> & {
    readonly kind: EntryKind | undefined
    readonly number?: number
  },
): ReturnType<typeof changeSettings> {
  return daemon.settings.change(async (place) =>
    changeSettings({
      ...{ ...input, place, revision: input.revision },
      catalog: await catalogOf(daemon),
    }),
  )
}

async function catalogOf(daemon: Daemon) {
  const { catalogIfPresent } = await daemon.services()
  return catalogIfPresent()
}

function unsavedRoute(
  { at, one }: Entries,
  document: z.ZodType,
  handle: RouteSpec<z.ZodType, z.ZodType, typeof UNSAVED>['handle'],
): Route {
  return defineRoute({
    ...{ ...COMMON, method: 'POST', at: `${at}/test` },
    summary: `try a ${one} that is not saved`,
    body: UNSAVED,
    reply: { status: 200, description: 'How it went', document },
    handle: async (asked, daemon) => daemon.settings.test(() => handle(asked, daemon)),
  })
}

function unsavedOf({ settings: { place } }: Daemon, body: z.output<typeof UNSAVED>) {
  return { place, number: body.number, settings: body.settings }
}
