// Writes the table of faults into test/README.md, from the titles of the tests: npm run fault-table

import { readFileSync, writeFileSync } from 'node:fs'
import { readTests, renderTable, withTable } from '../test/support/fault-table.ts'

const readme = 'test/README.md'
writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), renderTable(readTests('test'))))
