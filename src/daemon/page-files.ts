// The page: four constants of the program, read once from beside it. There is no path of a request in a path
// of a file, so nothing else can be asked for.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PageFile } from './route.ts'

// Scripts and styles of ours alone, and requests to us alone: text of others that slipped into the page as
// code would not run. Nobody may frame it, and no form of it is sent by the browser itself.
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const TYPES = {
  'page.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml; charset=utf-8',
} as const

export type PageFileName = keyof typeof TYPES

let loaded: Readonly<Record<PageFileName, PageFile>> | undefined

/** All of them at the first call: of one version of the program. */
export function pageFiles(): Readonly<Record<PageFileName, PageFile>> {
  loaded ??= {
    'page.html': read('page.html'),
    'app.js': read('app.js'),
    'app.css': read('app.css'),
    'icon.svg': read('icon.svg'),
  }
  return loaded
}

function read(name: PageFileName): PageFile {
  // As lib/worker.ts finds programs: whoever runs from the sources takes what was built of them.
  const isSource = import.meta.url.endsWith('.ts')
  const folder = isSource ? '../../dist/src/page' : '../page'
  const bytes = readFileSync(new URL(`${folder}/${name}`, import.meta.url))
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return { contentType: TYPES[name], bytes, etag }
}

export function sendPageFile(
  request: IncomingMessage,
  response: ServerResponse,
  { contentType, bytes, etag }: PageFile,
): void {
  response.setHeader('Content-Security-Policy', PAGE_POLICY)
  // Kept, and asked about each time: an update is there with the next visit.
  response.setHeader('Cache-Control', 'no-cache')
  response.setHeader('ETag', etag)
  const known = (request.headers['if-none-match'] ?? '').split(/, */)
  if (known.some((each) => each.replace(/^W\//, '') === etag)) {
    response.writeHead(304).end()
    return
  }
  response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': bytes.length })
  response.end(bytes)
}
