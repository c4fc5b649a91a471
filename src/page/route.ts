// Which screen is open: the part of the address behind the #, so that reload, back and bookmarks work and
// the daemon needs no route for them.

import { Store, useStore } from './store.ts'

export type Place = {
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  readonly text: string
}

const place = new Store<Place>(read())

addEventListener('hashchange', () => place.set(read()))

export function usePlace(): Place {
  return useStore(place)
}

export type Query = Readonly<Record<string, string | undefined>>

/** `#/archives/ID?pattern=a` */
export function linkTo(segments: readonly string[], query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(name, value)
  const path = segments.map(encodeURIComponent).join('/')
  const text = search.toString()
  return `#/${path}${text === '' ? '' : `?${text}`}`
}

export function go(segments: readonly string[], query: Query = {}): void {
  location.hash = linkTo(segments, query)
}

/** As `go`, but "back" does not lead to what is left: filters of a list. */
export function stay(segments: readonly string[], query: Query = {}): void {
  history.replaceState(null, '', linkTo(segments, query))
  place.set(read())
}

function read(): Place {
  const text = location.hash.replace(/^#\/?/, '')
  const [path = '', query = ''] = text.split('?')
  const segments = path.split('/').filter(Boolean).map(decoded)
  return { segments, query: new URLSearchParams(query), text }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
