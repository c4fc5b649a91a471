// Rights as servers write them: MariaDB's, and those that only MySQL has.

import { describe, expect, it } from 'vitest'
import type { MysqlSource } from '../../src/domain/source.ts'
import { Grants, parseGrant } from '../../src/sources/mysql-grants.ts'
import { requireRights } from '../../src/sources/mysql-rights.ts'

const SHOW_ROUTINE = 'GRANT SHOW_ROUTINE ON *.* TO `b`@`%`'
const PROC = 'GRANT SELECT ON `mysql`.`proc` TO `b`@`%`'

describe('grants', () => {
  it.each([
    ['a database', 'GRANT SELECT, TRIGGER ON `shop`.* TO `b`@`%`', 'shop', true],
    ['another one', 'GRANT SELECT, TRIGGER ON `shop`.* TO `b`@`%`', 'shops', false],
    ['all of it', 'GRANT ALL PRIVILEGES ON `shop`.* TO `b`@`%`', 'shop', true],
    ['everything', 'GRANT ALL PRIVILEGES ON *.* TO `b`@`%` WITH GRANT OPTION', 'x', true],
    ['a wildcard', 'GRANT TRIGGER ON `sh_p%`.* TO `b`@`%`', 'shxp', true],
    ['an escaped one', 'GRANT TRIGGER ON `sh\\_p`.* TO `b`@`%`', 'sh_p', true],
    ['an escaped one that does not fit', 'GRANT TRIGGER ON `sh\\_p`.* TO `b`@`%`', 'shxp', false],
    ['signs of expressions', 'GRANT TRIGGER ON `-r.f[%`.* TO `b`@`%`', '-r.f[x', true],
    ['a name with quotes', 'GRANT TRIGGER ON `a``b ON *.* TO`.* TO `b`@`%`', 'a`b ON *.* TO', true],
    ['a table only', 'GRANT TRIGGER ON `shop`.`t` TO `b`@`%`', 'shop', false],
    ['columns', 'GRANT SELECT, TRIGGER (`a`) ON `shop`.* TO `b`@`%`', 'shop', false],
    ['a role of that name', 'GRANT `TRIGGER ON *.* TO b` TO `b`@`%`', 'shop', false],
    ['a routine', 'GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `b`@`%`', 'shop', false],
  ])('on %s', (_what, line, database, isThere) => {
    expect(grantsOf([line]).has('TRIGGER', database)).toBe(isThere)
  })

  it('by several patterns are those of the most exact one, as the server has it', () => {
    const grants = grantsOf([
      'GRANT SELECT, TRIGGER ON `sh%`.* TO `b`@`%`',
      'GRANT SELECT ON `sho%`.* TO `b`@`%`',
      'GRANT TRIGGER ON `shop`.* TO `b`@`%`',
    ])

    expect(grants.has('SELECT', 'shop')).toBe(false)
    expect(grants.has('TRIGGER', 'shop')).toBe(true)
    expect(grants.has('TRIGGER', 'shoe')).toBe(false)
    expect(grants.has('TRIGGER', 'shed')).toBe(true)
  })

  it('of thousands of databases are judged in a moment', () => {
    const names = Array.from({ length: 3_000 }, (_, n) => `customer_${n}`)
    const grants = grantsOf(names.map((name) => `GRANT TRIGGER ON \`${name}\`.* TO \`b\`@\`%\``))

    const startedMs = performance.now()
    expect(names.every((name) => grants.has('TRIGGER', name))).toBe(true)
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })

  it('of a role are added to those of the user', () => {
    const grants = grantsOf([
      'GRANT SELECT ON `shop`.* TO `b`@`%`',
      'GRANT TRIGGER ON `sh%`.* TO `reader`',
    ])

    expect(grants.has('SELECT', 'shop') && grants.has('TRIGGER', 'shop')).toBe(true)
  })

  it('on everything are without what was taken back from a database', () => {
    const grants = grantsOf(
      ['GRANT SELECT, TRIGGER ON *.* TO `b`@`%`', 'REVOKE TRIGGER ON `sh_p`.* FROM `b`@`%`'],
      { hasPatterns: false },
    )

    expect(grants.has('TRIGGER', 'sh_p')).toBe(false)
    expect(grants.has('TRIGGER', 'shop')).toBe(true)
    expect(grants.has('SELECT', 'sh_p')).toBe(true)
    expect(grants.revokedDatabases()).toEqual(['sh_p'])
  })
})

describe('rights on MySQL 8', () => {
  const FOUR = 'SELECT, SHOW VIEW, EVENT, TRIGGER'
  it.each([
    ['SHOW_ROUTINE', [`GRANT ${FOUR} ON \`shop\`.* TO \`b\`@\`%\``, SHOW_ROUTINE], undefined],
    ['none for routines', [`GRANT ${FOUR} ON \`shop\`.* TO \`b\`@\`%\``], /lacks SHOW_ROUTINE$/],
    ['the table of MariaDB', [`GRANT ${FOUR} ON \`shop\`.* TO \`b\`@\`%\``, PROC], /SHOW_ROUTINE/],
    ['all of everything', [`GRANT ${FOUR} ON *.* TO \`b\`@\`%\``], undefined],
  ])('%s', (_what, lines, says) => {
    const judge = () => require8(lines, 'shop', ['shop'])
    if (says === undefined) expect(judge).not.toThrow()
    else expect(judge).toThrow(says)
  })

  it('on everything do not hide a database from which they were taken', () => {
    const lines = [
      `GRANT ${FOUR} ON *.* TO \`b\`@\`%\``,
      'REVOKE SELECT ON `secret`.* FROM `b`@`%`',
    ]

    expect(() => require8(lines, undefined, ['shop'])).toThrow(/lacks SELECT on secret$/)
    expect(() => require8(lines, undefined, ['shop'], ['secret'])).not.toThrow()
  })
})

it('what is granted to PUBLIC by every installation is nothing that a dump lacks', () => {
  const all = 'SELECT, INSERT, DELETE HISTORY'
  const given = [
    `GRANT ${all} ON \`test\`.* TO PUBLIC`,
    `GRANT ${all} ON \`test\\\\_%\`.* TO PUBLIC`,
  ]
  expect(grantsOf(given).isPublicGranted()).toBe(false)
  const more = [...given, 'GRANT SELECT ON `test`.`t` TO PUBLIC']
  expect(grantsOf(more).isPublicGranted()).toBe(true)
  expect(grantsOf(['GRANT SELECT ON `testing`.* TO PUBLIC']).isPublicGranted()).toBe(true)
})

function grantsOf(lines: readonly string[], { hasPatterns } = { hasPatterns: true }): Grants {
  const parsed = lines.flatMap((line) => parseGrant(line) ?? [])
  return new Grants(parsed, { hasPatterns, ignoresCase: false })
}

function require8(
  lines: readonly string[],
  database: string | undefined,
  chosen: readonly string[],
  excludes: readonly string[] = [],
): void {
  const source = { kind: 'mysql', number: 1, database, excludes } as unknown as MysqlSource
  const rights = {
    ...{ user: '`b`@`%`', hasPatterns: false },
    grants: grantsOf(lines, { hasPatterns: false }),
  }
  requireRights(source, { isMariaDb: false, version: '8.0.36' }, rights, chosen)
}
