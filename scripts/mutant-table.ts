// Writes the table of mutants into test/README.md: npm run mutant-table

import { readFileSync, writeFileSync } from 'node:fs'
import { MUTANTS } from '../test/mutants/all-mutants.ts'
import { renderMutants } from '../test/mutants/mutant-table.ts'
import { withTable } from '../test/support/fault-table.ts'

const readme = 'test/README.md'
writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), renderMutants(MUTANTS)))
