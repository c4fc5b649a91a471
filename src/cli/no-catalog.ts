// What is said where a command needs the catalog, and there is none.

import { SpillwayError } from '../domain/errors.ts'

export function noCatalog(config: { readonly catalogPath: string }): SpillwayError {
  const what = `there is no catalog at ${config.catalogPath}: nothing was archived here yet, or it was lost`
  return new SpillwayError('ARCHIVE_MISSING', what, {
    hint: 'if it was lost, bring it back from the servers: spillway reconcile --rebuild',
  })
}
