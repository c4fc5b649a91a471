// Names of tables are found wherever a dump is cut.

import { expect, it } from 'vitest'
import { DumpTables } from '../../src/sources/mysql-dump-tables.ts'

const DUMP = `-- MariaDB dump
DROP TABLE IF EXISTS \`t\`;
CREATE TABLE \`t\` (
  \`a\` int
);
INSERT INTO \`t\` VALUES ('\\nCREATE TABLE \`no\` (');
CREATE SEQUENCE \`s\` start with 1;
/*!50001 CREATE VIEW \`v\` AS SELECT 1 */;
CREATE TABLE \`odd \`\` name
of ü\` (a int);
`

it('finds tables and sequences, and no views, in pieces of any size', () => {
  const bytes = Buffer.from(DUMP)
  for (const pieceBytes of [1, 2, 7, 64, 100_000]) {
    const tables = new DumpTables()
    for (let at = 0; at < bytes.length; at += pieceBytes)
      tables.see(bytes.subarray(at, at + pieceBytes))
    expect([...tables.names].sort(), `${pieceBytes}`).toEqual(['odd ` name\nof ü', 's', 't'])
  }
})
