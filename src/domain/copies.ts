// How many copies of an archive count.

import type { Server, ServerIdentity } from './server.ts'

/** As the settings have it; a copy on a server that was taken out of them is as good as none. */
export type CopiesWanted = {
  readonly copies: number
  readonly servers: readonly Pick<Server, 'identity'>[]
}

/** Those that are stored on one of these servers. */
export function copiesOn(
  archive: {
    readonly copies: readonly { readonly state: string; readonly identity: ServerIdentity }[]
  },
  servers: CopiesWanted['servers'],
): number {
  const configured = new Set(servers.map(({ identity }) => identity))
  return archive.copies.filter(
    ({ identity, state }) => state === 'stored' && configured.has(identity),
  ).length
}
