import { expect, it } from 'vitest'
import { messageOf } from '../../src/domain/errors.ts'
import { requireHarmlessOptions } from '../../src/sources/mysql-option-files.ts'

const HEAD = 'mariadb-dump would have been started with the following arguments:\n'
const HELP = '--no-data --where --quick --triggers --password'

it.each([
  ['nothing', ''],
  ['how to log in', '--host=db --user=me --password=a b#c --port=1 --socket=/run/s --ssl-ca=/x '],
  ['without TLS', '--skip-ssl --disable-ssl-verify-server-cert --loose-ssl-mode=DISABLED '],
  ["what Debian's files say", '--quick --quote-names --max_allowed_packet=16M '],
  ['what the tool does not know, and does not mind', '--loose-of-another-tool=1 '],
  ['what we say, too, and say last', '--quick=0 --triggers=0 --hex_blob '],
])('lets pass: %s', (_what, options) => {
  expect(refusalOf(`${HEAD}${options}\n`)).toBeUndefined()
})

it.each([
  ['--no-data ', 'no-data'],
  ['--where=1=0 ', 'where'],
  ['--loose-no_data ', 'no-data'],
  ['--skip-quick ', 'skip-quick'],
  ['--user=me\n--no-data ', 'no-data'],
  ['--of-another-tool ', '1 others'],
  // It may be a part of the password: refused, and not shown.
  ['--password=one --two three ', '1 others'],
])('refuses %j', (options, named) => {
  const refusal = refusalOf(`${HEAD}${options}\n`)
  expect(refusal).toContain(`would change what it does: ${named}`)
  expect(refusal).not.toContain('two')
})

it('refuses an answer that is none', () => {
  expect(refusalOf('usage: something else')).toContain('does not say')
  expect(refusalOf('')).toContain('does not say')
})

function refusalOf(answer: string): string | undefined {
  const args = ['--quick', '--quote-names', '--triggers', '--skip-hex-blob']
  try {
    requireHarmlessOptions({ tool: 'mariadb-dump', answer, args, help: HELP, number: 1 })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
