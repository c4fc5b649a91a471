// The frame around all screens: navigation, connection, who is signed in; and which screen is open.

import { useEffect, useRef } from 'preact/hooks'
import { get, isConnected } from './api.ts'
import type { Session } from './api-types.ts'
import { Button } from './parts/button.tsx'
import { Icon, Logo } from './parts/icon.tsx'
import type { IconName } from './parts/icon.tsx'
import { Toast } from './parts/toast.tsx'
import { linkTo, usePlace } from './route.ts'
import type { Place } from './route.ts'
import { ArchiveScreen } from './screens/archive.tsx'
import { ArchivesScreen } from './screens/archives.tsx'
import { FilesScreen } from './screens/files.tsx'
import { JobScreen } from './screens/job.tsx'
import { OverviewScreen } from './screens/overview.tsx'
import { RunScreen } from './screens/run.tsx'
import { RunsScreen } from './screens/runs.tsx'
import { SettingsScreen } from './screens/settings.tsx'
import { SignInScreen } from './screens/sign-in.tsx'
import { signedIn, signOut } from './session.ts'
import { useStore } from './store.ts'
import { setTheme, theme } from './theme.ts'
import { useLoad } from './load.ts'

const AREAS: readonly { readonly at: string; readonly title: string; readonly icon: IconName }[] = [
  { at: 'overview', title: 'Overview', icon: 'overview' },
  { at: 'archives', title: 'Archives', icon: 'archives' },
  { at: 'files', title: 'Find a file', icon: 'files' },
  { at: 'runs', title: 'Runs', icon: 'runs' },
  { at: 'settings', title: 'Settings', icon: 'settings' },
]

export function App() {
  const who = useStore(signedIn)
  return (
    <>
      {who === undefined ? <SignInScreen /> : <Signed token={who.token} />}
      <Toast />
    </>
  )
}

// Scope, next run and host change seldom; the settings do it.
const SESSION_EVERY_MS = 60_000

function Signed({ token }: { readonly token: string }) {
  const { value: session } = useLoad(
    'session',
    (signal) => get<Session>('/api/session', signal),
    SESSION_EVERY_MS,
  )
  useEffect(() => {
    if (session !== undefined && signedIn.value !== undefined) signedIn.set({ token, session })
  }, [session, token])
  const place = usePlace()
  const area = areaOf(place)
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), focusMain())}>
        Skip to the content
      </a>
      <Navigation area={area} session={session} />
      <div class="stage">
        <ConnectionBanner />
        <main id="main" class="main" tabIndex={-1}>
          <Screen place={place} />
        </main>
      </div>
    </div>
  )
}

function focusMain(): void {
  document.querySelector<HTMLElement>('#main')?.focus()
}

function areaOf({ segments }: Place): string {
  const [first = 'overview'] = segments
  return first === 'jobs' ? 'runs' : first
}

function Navigation({
  area,
  session,
}: {
  readonly area: string
  readonly session: Session | undefined
}) {
  return (
    <header class="side">
      <a class="brand" href={linkTo(['overview'])}>
        <Logo />
        <span class="brand-text">
          <span class="brand-name">Spillway</span>
          <span class="brand-host">{session?.serverId ?? ' '}</span>
        </span>
      </a>
      <nav class="areas" aria-label="Areas">
        <ul>
          {AREAS.map(({ at, title, icon }) => (
            <li key={at}>
              <a href={linkTo([at])} aria-current={at === area ? 'page' : undefined}>
                <Icon name={icon} size={20} />
                <span>{title}</span>
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="side-foot">
        <ThemeButton />
        <Button kind="quiet" icon="leave" label="Sign out" onPress={() => signOut(undefined)} />
        <p class="side-who">
          {session === undefined
            ? ''
            : `${session.token} · may ${session.scope} · ${session.version}`}
        </p>
      </div>
    </header>
  )
}

export function ThemeButton() {
  const chosen = useStore(theme)
  const next = chosen === 'auto' ? 'dark' : chosen === 'dark' ? 'light' : 'auto'
  const words = { auto: 'as the system has it', dark: 'dark', light: 'light' }
  return (
    <Button
      kind="quiet"
      icon="theme"
      label={`Colours: ${words[chosen]}. Press for: ${words[next]}`}
      onPress={() => setTheme(next)}
    />
  )
}

function ConnectionBanner() {
  const connected = useStore(isConnected)
  return (
    <div role="status" aria-live="polite">
      {!connected && (
        <p class="banner">
          <Icon name="warning" /> The daemon does not answer. What you see is what it said last;
          trying again every two seconds.
        </p>
      )}
    </div>
  )
}

function Screen({ place }: { readonly place: Place }) {
  const [area = 'overview', second, third] = place.segments
  const isFirst = useRef(true)
  const path = place.segments.join('/')
  useEffect(() => {
    // Whoever comes by keyboard begins at the top of the new screen; the first one is where it is.
    if (!isFirst.current) {
      focusMain()
      scrollTo(0, 0)
    }
    isFirst.current = false
  }, [path])
  switch (area) {
    case 'overview':
      return <OverviewScreen />
    case 'archives':
      return second === undefined ? (
        <ArchivesScreen query={place.query} />
      ) : (
        <ArchiveScreen key={second} id={second} />
      )
    case 'files':
      return <FilesScreen query={place.query} />
    case 'runs':
      return second === undefined ? (
        <RunsScreen query={place.query} />
      ) : (
        <RunScreen key={second} id={second} />
      )
    case 'jobs':
      return second === undefined ? (
        <RunsScreen query={place.query} />
      ) : (
        <JobScreen key={second} id={second} />
      )
    case 'settings':
      return <SettingsScreen tab={second ?? 'servers'} entry={third} />
    default:
      return <Nowhere />
  }
}

function Nowhere() {
  return (
    <section>
      <h1>There is nothing here</h1>
      <p>
        This address leads nowhere. <a href={linkTo(['overview'])}>Go to the overview</a>
      </p>
    </section>
  )
}
