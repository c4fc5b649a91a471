// The storage of the soak is held to what every storage must do.

import { describeStorage } from '../contract/storage-contract.ts'
import { DEFAULT_SWITCHES } from '../support/s3-model-options.ts'
import { ModelStorage } from './model-storage.ts'
import { ModelStore } from '../support/s3-model-store.ts'

const PART_BYTES = 1_024

for (const isVersioned of [false, true]) {
  const switches = { ...DEFAULT_SWITCHES, partBytesMin: PART_BYTES, isVersioned }
  const name = `the model's store without HTTP${isVersioned ? ', versioned' : ''}`
  describeStorage(name, async () => ({
    storage: new ModelStorage({
      store: new ModelStore(['backups'], () => switches),
      bucket: 'backups',
      limits: {
        partsMax: 100,
        partBytesMin: PART_BYTES,
        partBytesDefault: PART_BYTES,
        partsAtOnce: 3,
      },
    }),
    close: async () => {},
    partBytes: PART_BYTES,
  }))
}
