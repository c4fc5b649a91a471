// Whether a request goes through the proxy of HTTPS_PROXY, and the rules of NO_PROXY. The values come
// from the configuration: a library that reads the environment itself would not see the .env file.

import type { ProxySettings } from './config.ts'

/** The proxy for this endpoint, or undefined. Plain http never goes through HTTPS_PROXY. */
export function proxyFor(endpoint: URL, settings: ProxySettings): string | undefined {
  if (endpoint.protocol !== 'https:' || !settings.httpsProxy) return undefined
  const port = endpoint.port === '' ? '443' : endpoint.port
  const host = endpoint.hostname.toLowerCase().replace(/^\[|\]$/g, '')
  const entries = (settings.noProxy ?? '').toLowerCase().split(/[\s,]+/)
  if (entries.some((entry) => entry !== '' && covers(entry, host, port))) return undefined
  return settings.httpsProxy.includes('://') ? settings.httpsProxy : `http://${settings.httpsProxy}`
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  // A bare IPv6 address has more than one colon; with a port it stands in brackets.
  const [, bracketed, plain, entryPort] =
    /^(?:\[(.+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? []
  const name = (bracketed ?? plain ?? entry).replace(/^\*/, '')
  if (entryPort !== undefined && entryPort !== port) return false
  // "example.com" means its sub-domains, too, as curl and most tools read it.
  const suffix = name.startsWith('.') ? name : `.${name}`
  return host === name.replace(/^\./, '') || host.endsWith(suffix)
}
