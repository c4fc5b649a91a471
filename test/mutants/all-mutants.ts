// All mutants, in the order of the table in test/README.md.

import { ARCHIVING } from './archiving.ts'
import { ATTACKING } from './attacking.ts'
import { COUNTING } from './counting.ts'
import { DELETING } from './deleting.ts'
import { EXTRACTING } from './extracting.ts'
import { READING } from './reading.ts'
import { RETENTION } from './retention.ts'
import { STORING } from './storing.ts'
import { TELLING } from './telling.ts'
import type { Mutant } from './mutant.ts'

export const MUTANTS: readonly Mutant[] = [
  ...STORING,
  ...COUNTING,
  ...RETENTION,
  ...DELETING,
  ...ARCHIVING,
  ...READING,
  ...EXTRACTING,
  ...ATTACKING,
  ...TELLING,
]
