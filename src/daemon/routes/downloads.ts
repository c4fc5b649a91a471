// An archive, or one file of it, for a browser: a ticket first, for who may restore; then the bytes, each proven
// before it is sent, for who has the ticket.

import { z } from 'zod'
import { catMember } from '../../operations/cat.ts'
import { copyArchive } from '../../operations/whole-archive.ts'
import { defineRoute } from '../route.ts'
import type { DaemonServices, Route, Stream } from '../route.ts'
import { dispositionOf } from '../downloads.ts'
import type { Download, Downloads } from '../downloads.ts'
import { fileInArchive } from '../../operations/archive-file.ts'
import { problem } from '../problem.ts'
import { SpillwayError } from '../../domain/errors.ts'
import { ID } from './shapes.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Token } from '../../domain/token.ts'

const TICKET = z.object({
  url: z.string().describe('good for one GET within a minute, without a token'),
  name: z.string().describe('under which it is saved'),
  sizeBytes: z.int().nullable().describe('null: known once it is sent'),
})

const TYPE = 'application/octet-stream'

export const downloadRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'POST', at: '/api/archives/{id}/download', scope: 'restore', tag: 'archives' },
    summary: 'a ticket to download an archive as it is (.tar.zst), or one file of it',
    path: z.object({ id: ID }),
    body: z.strictObject({
      path: z.string().min(1).max(4_000).optional().describe('of a file, as `files` shows it'),
    }),
    reply: { status: 200, description: 'The ticket', document: TICKET },
    handle: async ({ path, body, token }, { services, downloads, tokens }) => {
      const catalog = await (await services()).catalogIfPresent()
      if (catalog === undefined) return noArchive()
      const download = await downloadOf(catalog, path.id, body.path)
      const isStillAllowed = () => tokens.all().some((each) => isSameToken(each, token))
      const ticket = downloads.ticketFor(download, isStillAllowed)
      if (ticket === undefined) return problem(429, 'too many downloads wait to be begun')
      const { name, sizeBytes } = download
      return { url: `/api/downloads/${ticket}`, name, sizeBytes: sizeBytes ?? null }
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/downloads/{ticket}', scope: 'ticket', tag: 'archives' },
    summary: 'what the ticket is for; a connection that is cut means that it is not whole',
    path: z.object({ ticket: z.string().max(100) }),
    reply: { status: 200, description: 'Bytes, as an attachment', contentType: TYPE },
    handle: async ({ path, signal }, { services, downloads }) => {
      const ticket = downloads.take(path.ticket)
      if (ticket === undefined)
        return problem(401, 'this ticket is not good, or not any more: ask for another one')
      if (downloads.isBusy) return problem(429, 'too many downloads are under way')
      const given = await services()
      const catalog = await given.catalogIfPresent()
      if (catalog === undefined) return noArchive()
      const { download, isStillAllowed } = ticket
      return { ...streamOf({ ...given, catalog }, downloads, download, signal), isStillAllowed }
    },
  }),
]

/** One that was revoked and made again under its name is another one. */
function isSameToken(one: Token, other: Token | undefined): boolean {
  return one.name === other?.name && one.createdAt.getTime() === other.createdAt.getTime()
}

function noArchive(): unknown {
  return problem(404, 'there is no such archive')
}

async function downloadOf(
  catalog: Catalog,
  id: string,
  path: string | undefined,
): Promise<Download> {
  const archive = await catalog.findArchive(id)
  const { sizeBytes, file } = archive
  if (sizeBytes === undefined)
    throw new SpillwayError('ARCHIVE_MISSING', `${file} was never finished`)
  if (path === undefined) return { archive: id, path, name: file, sizeBytes }
  const found = await fileInArchive(catalog, archive, path)
  const name = path.split('/').findLast((part) => part !== '') ?? 'file'
  return { archive: id, path, name, sizeBytes: found?.sizeBytes }
}

function streamOf(
  services: DaemonServices & { readonly catalog: Catalog },
  downloads: Downloads,
  { archive, path, name, sizeBytes }: Download,
  signal: AbortSignal,
): Stream {
  const isWhole = path === undefined
  return {
    contentType: isWhole ? 'application/zstd' : TYPE,
    headers: {
      'Content-Disposition': dispositionOf(name),
      // Of a file only the archive itself knows for sure.
      ...(isWhole && sizeBytes !== undefined ? { 'Content-Length': sizeBytes } : {}),
    },
    mayFailFirst: true,
    write: (send) =>
      downloads.whileUnderWay(async () => {
        if (isWhole) await copyArchive(services, { archive, write: send }, signal)
        else await catMember(services, { archive, path, write: send }, signal)
      }),
  }
}
