// Settings: what stands in the file on the host, changed through the daemon, which checks before it writes.

import { get } from '../api.ts'
import type { Settings } from '../settings-types.ts'
import { useLoad } from '../load.ts'
import { Head } from '../parts/screen.tsx'
import { Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { errorText } from '../settings-form.ts'
import { AccessTab } from './access-tab.tsx'
import { GeneralTab } from './general-tab.tsx'
import { NotificationForm, NotificationsTab } from './notifications-tab.tsx'
import { RetentionTab } from './retention-tab.tsx'
import { ScheduleTab } from './schedule-tab.tsx'
import { ServerForm } from './server-form.tsx'
import { ServersTab } from './servers-tab.tsx'
import { SourceForm } from './source-form.tsx'
import { SourcesTab } from './sources-tab.tsx'

const TABS = [
  { id: 'servers', title: 'Servers' },
  { id: 'sources', title: 'Sources' },
  { id: 'schedule', title: 'Schedule' },
  { id: 'retention', title: 'Retention' },
  { id: 'notifications', title: 'Notifications' },
  { id: 'general', title: 'Everything else' },
  { id: 'access', title: 'Access' },
].map((tab) => ({ ...tab, href: linkTo(['settings', tab.id]) }))

/** What every tab gets. */
export type TabInput = {
  readonly settings: Settings
  /** Why nothing may be changed; undefined: it may. */
  readonly refusal: string | undefined
}

export function SettingsScreen(input: {
  readonly tab: string
  readonly entry: string | undefined
}) {
  const { tab, entry } = input
  const { value: settings, problem } = useLoad('settings', (signal) =>
    get<Settings>('/api/settings', signal),
  )
  const may = useRefusal('admin')
  const refusal =
    may ??
    (settings?.isWritable === false
      ? 'the settings file cannot be written by the daemon'
      : undefined)
  return (
    <>
      <Head title="Settings" />
      <Tabs label="Settings" current={tab} tabs={TABS} />
      <ProblemNote problem={settings === undefined ? problem : undefined} />
      {settings === undefined ? (
        problem === undefined && <Waiting what="the settings" />
      ) : (
        <div class="stack">
          {refusal !== undefined && (
            <Note tone="info">
              <p>You can look, but change nothing here: {refusal}.</p>
            </Note>
          )}
          <FileProblems settings={settings} />
          <Tab
            key={`${tab} ${entry ?? ''}`}
            tab={tab}
            entry={entry}
            settings={settings}
            refusal={refusal}
          />
          <p class="hint">
            All of this stands in <code>{settings.file}</code> on the host.
          </p>
        </div>
      )}
    </>
  )
}

function FileProblems({ settings }: { readonly settings: Settings }) {
  if (settings.problems.length === 0) return null
  return (
    <Note tone="bad" title="The file has problems: runs fail until they are mended">
      <ul>
        {settings.problems.map((problem) => (
          <li key={problem.variable}>
            <code>{problem.variable}</code> {errorText(problem)}
          </li>
        ))}
      </ul>
    </Note>
  )
}

function Tab(input: TabInput & { readonly tab: string; readonly entry: string | undefined }) {
  const { tab, entry, ...shared } = input
  switch (tab) {
    case 'sources':
      return entry === undefined ? (
        <SourcesTab {...shared} />
      ) : (
        <SourceForm {...shared} entry={entry} />
      )
    case 'schedule':
      return <ScheduleTab {...shared} />
    case 'retention':
      return <RetentionTab {...shared} />
    case 'notifications':
      return entry === undefined ? (
        <NotificationsTab {...shared} />
      ) : (
        <NotificationForm {...shared} entry={entry} />
      )
    case 'general':
      return <GeneralTab {...shared} />
    case 'access':
      return <AccessTab />
    default:
      return entry === undefined ? (
        <ServersTab {...shared} />
      ) : (
        <ServerForm {...shared} entry={entry} />
      )
  }
}
