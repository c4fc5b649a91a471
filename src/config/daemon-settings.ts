// The settings of `spillway serve`, and what they may be.

import { isIP } from 'node:net'
import { no, path } from './values.ts'
import type { ValueContext } from './values.ts'
import type { Settings } from './settings.ts'

export const DAEMON_SETTINGS = {
  LISTEN: {
    help: 'where "spillway serve" answers, on this machine alone; others come by a proxy with TLS',
    fallback: '127.0.0.1:8420',
    example: '127.0.0.1:8420',
    parse: listen,
  },
  LISTEN_NAMES: {
    help: 'further names under which a proxy asks for it, separated by commas',
    otherwise: 'localhost and the address of LISTEN',
    example: 'backup.example.net',
    parse: hostNames,
  },
  RESTORE_ROOTS: {
    help: 'folders below which the API may restore, separated by commas',
    otherwise: 'none: restore from the command line',
    example: '/srv/restored',
    parse: paths,
  },
  SOURCE_ROOTS: {
    help: 'folders below which the API may add sources, separated by commas; none: nowhere',
    fallback: '/',
    example: '/srv,/home',
    parse: sourceRoots,
  },
} as const satisfies Settings

/** Loopback only: tokens over plain HTTP are for nobody else to hear. */
function listen(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, portText] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(portText)
  // Port 0: any that is free, told when it answers.
  if (host === undefined || !(port <= 65_535))
    return no('must be address:port, as in 127.0.0.1:8420 or [::1]:8420')
  const isLoopback = host === 'localhost' || host === '::1' || /^127\./.test(host)
  if (!isLoopback || (host !== 'localhost' && isIP(host) === 0))
    return no(
      'must be an address of this machine alone, 127.0.0.1 or [::1]',
      'let a proxy with TLS hand requests on, and name it in LISTEN_NAMES',
    )
  return { host, port }
}

function hostNames(text: string): string[] {
  return listed(text).map((name) =>
    /^(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(name)
      ? name.toLowerCase()
      : no(`must be names of hosts, and "${name.slice(0, 60)}" is none`),
  )
}

function sourceRoots(text: string, context: ValueContext): string[] {
  return text.trim() === 'none' ? [] : listed(text).map((each) => path(each, context))
}

function paths(text: string, context: ValueContext): string[] {
  const found = listed(text).map((each) => path(each, context))
  if (found.includes('/')) no('must not be /: a restore could overwrite the system')
  return found
}

function listed(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
