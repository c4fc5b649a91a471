import { expect, it } from 'vitest'
import { sqlStatements } from '../../src/sources/sql-statements.ts'

it.each([
  [
    `CREATE ROLE a;\n-- it's a comment\nALTER ROLE a WITH LOGIN;\n`,
    ['CREATE ROLE a', 'ALTER ROLE a WITH LOGIN'],
  ],
  [`COMMENT ON ROLE a IS 'it''s; \\! "quoted"';`, [`COMMENT ON ROLE a IS 'it''s; \\! "quoted"'`]],
  [`COMMENT ON DATABASE a IS 'C:\\dir\\';`, [`COMMENT ON DATABASE a IS 'C:\\dir\\'`]],
  [`ALTER ROLE a SET p TO E'C:\\\\dir\\\\', 'x';`, [`ALTER ROLE a SET p TO E'C:\\\\dir\\\\', 'x'`]],
  [`GRANT "a\\""b" TO ünï GRANTED BY c$d;`, [`GRANT "a\\""b" TO ünï GRANTED BY c$d`]],
  [`\\restrict Ab1\n\nSET a = on;\n\\unrestrict Ab1\n`, ['SET a = on']],
  [`ALTER TABLESPACE t SET (seq_page_cost=1.5);`, ['ALTER TABLESPACE t SET (seq_page_cost=1.5)']],
  ['half of one', []],
])('cuts what dump tools write: %j', (text, statements) => {
  expect(sqlStatements(text)).toEqual(statements)
})

it.each([
  [`ALTER ROLE a SET b TO 1 \\! id\n;`],
  [`\\! id\n`],
  [`\\restrict a b\n`],
  [` \\restrict a\n`],
  [`a \\restrict a\n`],
  [`SELECT E'\\' \\! id';`],
  [`SELECT E'a'\n'\\'' \\! id ';`],
  [`SELECT E'a' -- comment\n '\\'' \\! id ';`],
  [`SELECT U&'a';`],
  [`SELECT nE'\\\\';`],
  [`SELECT 1 /* ' */ ;`],
  [`SELECT $a$ ' $a$ \\! id ';`],
  [`SELECT 1$a$ ' $a$ ';`],
  [`SELECT :name;`],
  [`SELECT \u00a0\\! id;`],
  [`SELECT 'never ended`],
  [`SELECT 'a\0b';`],
])('refuses what psql might read in another way: %j', (text) => {
  expect(sqlStatements(text)).toBeUndefined()
})

it('takes a text of many quotes', () => {
  expect(
    sqlStatements(`SELECT '${"''".repeat(1_000_000)}', E'${'\\\\'.repeat(1_000_000)}';`),
  ).toHaveLength(1)
})
