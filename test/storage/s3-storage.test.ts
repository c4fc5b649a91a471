// The S3 adapter against the model server, in the ways in which known servers differ.

import { describe } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { describeStorage } from '../contract/storage-contract.ts'
import { startS3Model } from '../support/s3-model.ts'
import { PERSONALITIES } from '../support/s3-model-options.ts'
import type { S3ModelSwitches } from '../support/s3-model-options.ts'
import { FAST_LIMITS, NO_PROXY, s3Server } from '../support/storages.ts'

describe('the S3 adapter', () => {
  for (const [name, given] of Object.entries(PERSONALITIES)) {
    const switches: Partial<S3ModelSwitches> = given
    describeStorage(`a server like ${name}`, async () => {
      const partBytesMin = 64 * 1024
      const model = await startS3Model({ ...switches, partBytesMin, pageEntries: 2 })
      const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
      return {
        storage: openStorage(s3Server(model, { storageClass: 'STANDARD_IA' }), options),
        close: () => model.close(),
        partBytes: partBytesMin,
        cannotListUploads: switches.listUploads === 'missing',
        abortsTwice: switches.abortOfNone === '204',
        replacesObjects: (switches.conditional ?? 'yes') !== 'yes',
      }
    })
  }
})
