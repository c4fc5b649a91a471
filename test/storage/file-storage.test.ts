// A local directory as a server: the contract, and what only a disk can do.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStorage } from '../../src/compose-storage.ts'
import { describeStorage } from '../contract/storage-contract.ts'
import { FAST_LIMITS, fileServer, NO_PROXY } from '../support/storages.ts'

describeStorage('a local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'spillway-files-'))
  const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
  return {
    storage: openStorage(fileServer(root), options),
    close: () => rm(root, { recursive: true, force: true }),
    partBytes: 10_000,
  }
})
