import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editEnvText, quoteValue } from '../../src/config/env-file.ts'
import type { EnvEdit } from '../../src/config/env-file.ts'
import { scanEnvText, textProblems } from '../../src/config/env-text.ts'
import { parseEnvText } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'

const FILE = `# my servers
export S3_SERVER_1_ENDPOINT = a.example.net   # the near one
S3_SERVER_1_SECRET_KEY="old"
\tS3_SERVER_1_BUCKET='one'
OTHER_PROGRAM="two
lines # no comment"

# the far one
S3_SERVER_2_ENDPOINT=b.example.net

not an assignment
#KEEP_DAILY=7
SOURCE_1_PATH=/srv/www # sites`

describe('editEnvText', () => {
  it('changes one value and nothing else', () => {
    expect(edit({ set: [['S3_SERVER_1_ENDPOINT', 'c.example.net']] })).toBe(
      FILE.replace('= a.example.net ', '= c.example.net '),
    )
  })

  it('keeps the quotes that a value had, and the comment behind it', () => {
    expect(edit({ set: [['S3_SERVER_1_SECRET_KEY', 'new']] })).toContain('_SECRET_KEY="new"\n')
    expect(edit({ set: [['S3_SERVER_1_BUCKET', "it's"]] })).toContain(`_BUCKET="it's"\n`)
    expect(edit({ set: [['SOURCE_1_PATH', '/srv/a #1']] })).toMatch(/PATH='\/srv\/a #1' # sites$/)
    expect(edit({ set: [['SOURCE_1_PATH', '']] })).toMatch(/PATH= # sites$/)
  })

  it('adds a variable behind the last of its entry', () => {
    expect(edit({ set: [['S3_SERVER_1_REGION', 'eu']] })).toContain(
      "\tS3_SERVER_1_BUCKET='one'\nS3_SERVER_1_REGION=eu\nOTHER",
    )
  })

  it('adds an entry behind the last of its kind, with a blank line between', () => {
    const text = edit({
      set: [
        ['S3_SERVER_3_ENDPOINT', 'c.example.net'],
        ['S3_SERVER_3_REGION', 'eu'],
      ],
    })
    expect(text).toContain(
      'S3_SERVER_2_ENDPOINT=b.example.net\n\nS3_SERVER_3_ENDPOINT=c.example.net\nS3_SERVER_3_REGION=eu\n\nnot an',
    )
  })

  it('adds a common setting behind the comment that shows it', () => {
    expect(edit({ set: [['KEEP_DAILY', '14']] })).toContain('#KEEP_DAILY=7\nKEEP_DAILY=14\nSOURCE')
  })

  it('ends the last line before it adds another', () => {
    expect(editEnvText('# hello', { set: [['COPIES', '2']] })).toBe('# hello\nCOPIES=2\n')
    expect(editEnvText('', { set: [['COPIES', '2']] })).toBe('COPIES=2\n')
  })

  it('removes all lines of a variable, also a value of several lines', () => {
    expect(edit({ remove: ['OTHER_PROGRAM'] })).toBe(
      FILE.replace(/OTHER_PROGRAM[^]*comment"\n/, ''),
    )
    expect(editEnvText('A=1\nA=2\nB=3\n', { remove: ['A'] })).toBe('B=3\n')
  })

  it('lets two entries change places', () => {
    const text = edit({
      rename: new Map([
        ['S3_SERVER_1_ENDPOINT', 'S3_SERVER_2_ENDPOINT'],
        ['S3_SERVER_2_ENDPOINT', 'S3_SERVER_1_ENDPOINT'],
      ]),
    })
    expect(parseEnvText(text)).toMatchObject({
      S3_SERVER_1_ENDPOINT: 'b.example.net',
      S3_SERVER_2_ENDPOINT: 'a.example.net',
    })
    expect(text).toContain('export S3_SERVER_2_ENDPOINT = a.example.net   # the near one')
  })

  it('changes the line that counts when a variable is set twice', () => {
    expect(editEnvText('A=1\nA=2\n', { set: [['A', '3']] })).toBe('A=1\nA=3\n')
  })

  it('keeps the line ends of the file, and a mark at its beginning', () => {
    expect(
      editEnvText('\uFEFFA=1\r\nB=2\r\n', {
        set: [
          ['A', '9'],
          ['C', '3'],
        ],
      }),
    ).toBe('\uFEFFA=9\r\nB=2\r\nC=3\r\n')
  })

  it('refuses what it cannot do without changing another variable', () => {
    // To dotenv the quotes on lines of their own are the value of A, and B is a part of it.
    const text = 'A=\n"\nB=1\n"\n'
    expect(parseEnvText(text)).toEqual({ A: '\nB=1\n' })
    expect(() => editEnvText(text, { set: [['B', '2']] })).toThrow(/cannot be changed safely/)
  })

  it('refuses a value that no env file can hold', () => {
    expect(() => edit({ set: [['KEEP_DAILY', '\'"`#\n']] })).toThrow(/KEEP_DAILY .* no env file/)
  })

  it('never shows a value in its messages', () => {
    try {
      edit({ set: [['S3_SERVER_1_SECRET_KEY', '\'"`#\nhunter2']] })
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toContain('hunter2')
    }
  })
})

describe('quoteValue', () => {
  it.each([
    ['', ''],
    ['plain-value_1.0/x:@%+=,', 'plain-value_1.0/x:@%+=,'],
    ['two words', "'two words'"],
    ['30 2 * * *', "'30 2 * * *'"],
    ['a#b', "'a#b'"],
    ["it's", `"it's"`],
    [`"it's"`, '`"it\'s"`'],
    ['a\nb', '"a\\nb"'],
    ['a\\nb', "'a\\nb'"],
    ['a\\nb\nc', "'a\\nb\nc'"],
    ['$HOME', "'$HOME'"],
    ['back\\', 'back\\'],
  ])('writes %j as %j', (value, text) => {
    expect(quoteValue(value)).toBe(text)
  })

  const character = fc.oneof(
    fc.constantFrom(...'\'"`#\\ =$\n\r\tnr!{}'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  )
  const value = fc.array(character, { maxLength: 12 }).map((characters) => characters.join(''))

  it('is read back by dotenv exactly, whatever the value', () => {
    fc.assert(
      fc.property(value, fc.constantFrom('', "'", '"', '`'), (text, quote) => {
        const written = quoteValue(text, quote)
        if (written === undefined) {
          // All three quotes, or a return that only double quotes can hold.
          expect(/'[^]*|\\[nr]|"|`|\\$/.test(text)).toBe(true)
          return
        }
        expect(parseEnvText(`A=1\nX=${written}\nB=2\n`)).toEqual({ A: '1', X: text, B: '2' })
      }),
      { numRuns: 3_000 },
    )
  })

  it('finds a form for everything without quotes, backslashes and returns', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!/['"`\\\r]/.test(text))
        expect(quoteValue(text)).toBeDefined()
      }),
    )
  })

  // Files as people write them, edited at random: dotenv is the judge of every step.
  it('any edit of any file leaves all other variables as they were', () => {
    const name = fc.constantFrom('A', 'B', 'COPIES', 'S3_SERVER_1_BUCKET', 'S3_SERVER_2_BUCKET')
    const line = fc.oneof(
      fc.tuple(name, value).map(([key, text]) => `${key}=${quoteValue(text) ?? 'x'}`),
      fc.tuple(name, value).map(([key, text]) => `export ${key} = "${text}" # comment`),
      value.map((text) => `# ${text.replace(/[\r\n]/g, '')}`),
      fc.constantFrom('', '  ', 'stray words', 'COLON: value'),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), name, value, (lines, key, text) => {
        const before = lines.join('\n')
        let after: string
        try {
          after = editEnvText(before, { set: [[key, text]] })
        } catch (error) {
          expect(String(error)).toMatch(/no env file can hold|cannot be changed safely/)
          return
        }
        expect(parseEnvText(after)).toEqual({ ...parseEnvText(before), [key]: text })
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('scanEnvText', () => {
  it('sees the variables that dotenv sees', () => {
    expect(scanEnvText(FILE).assignments.map(({ name }) => name)).toEqual(
      Object.keys(parseEnvText(FILE)),
    )
  })

  it('finds what dotenv hides: names set twice, and lines without "="', () => {
    const text = `${FILE}\nS3_SERVER_1_BUCKET=two\nOTHER_PROGRAM=x\nS3_SERVER_2_REGION eu-1\n`
    expect(textProblems(text).map(formatProblem)).toEqual([
      'S3_SERVER_1_BUCKET is set on more than one line (4, 14); ' +
        'give the copied entry another number, or remove one line',
      'S3_SERVER_2_REGION on line 16 is not followed by "="; write S3_SERVER_2_REGION=...',
    ])
  })
})

function edit(change: EnvEdit): string {
  return editEnvText(FILE, change)
}
