import { join } from 'node:path'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { describeCatalog } from '../contract/catalog-contract.ts'
import { temporaryFolder } from './fixtures.ts'

describeCatalog('an SQLite file', () => {
  let path: string | undefined
  return {
    isShared: true,
    open: (host) => openCatalog({ path: (path ??= join(temporaryFolder(), 'catalog.db')), host }),
  }
})

describeCatalog('SQLite in memory', () => ({
  isShared: false,
  open: (host) => openCatalog({ path: ':memory:', host }),
}))
