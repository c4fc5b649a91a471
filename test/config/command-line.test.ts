// Commands in the settings: their words, what is refused because only a shell would understand it, and
// what a source of that kind needs besides.

import { describe, expect, it } from 'vitest'
import { commandLine } from '../../src/config/command-line.ts'
import { holdsSecrets } from '../../src/config/load.ts'
import { parse, secretsOf } from '../../src/config/parse.ts'
import type { CommandSource } from '../../src/domain/source.ts'

describe('a command', () => {
  it.each<[string, string[]]>([
    ['pg_dump app', ['pg_dump', 'app']],
    ['  pg_dump \t app  ', ['pg_dump', 'app']],
    [`echo "a b" 'c d' e\\ f`, ['echo', 'a b', 'c d', 'e f']],
    [`echo a"b"'c'd`, ['echo', 'abcd']],
    [`echo '' ""`, ['echo', '', '']],
    [`echo "a\\"b\\\\c\\d"`, ['echo', 'a"b\\c\\d']],
    [`echo '$HOME' "\\$HOME" \\$HOME`, ['echo', '$HOME', '$HOME', '$HOME']],
    [`bash -o pipefail -c 'a | b > c'`, ['bash', '-o', 'pipefail', '-c', 'a | b > c']],
    [`bash -c 'a || b'`, ['bash', '-c', 'a || b']],
    ['a --x=1,2 -Fc @f %h 100$ é', ['a', '--x=1,2', '-Fc', '@f', '%h', '100$', 'é']],
  ])('%j has the words %j', (text, argv) => {
    expect(commandLine(text).argv).toEqual(argv)
  })

  it.each<[string, string]>([
    ['pg_dump app | gzip', 'has "|" outside quotes'],
    ['pg_dump app > /tmp/x', 'has ">" outside quotes'],
    ['a && b', 'has "&" outside quotes'],
    ['a; b', 'has ";" outside quotes'],
    ['a $HOME', 'has "$" outside quotes'],
    ['a "$HOME"', 'has "$" in double quotes'],
    ['a `date`', 'has "`" outside quotes'],
    ['cat *.sql', 'has "*" outside quotes'],
    ['a ~/x', 'has "~" outside quotes'],
    ["a 'b", "quote (')"],
    ['a "b', 'quote (")'],
    ['a b\\', 'backslash'],
    ["''", 'must begin with a program'],
    [`bash -c 'pg_dump app | gzip'`, 'has a pipe, which hides'],
    ['/bin/sh -ec "a|b"', 'has a pipe, which hides'],
    ['pg_dump postgres://me:geheim@db/app', 'has a password in a URL'],
    ['a \x07', 'control characters'],
  ])('%j is refused: %s', (text, reason) => {
    expect(() => commandLine(text)).toThrow(reason)
  })
})

const SERVER = { S3_SERVER_1_ENDPOINT: 'file:///mnt/disk' }
const parsed = (env: Record<string, string>) =>
  parse({ ...SERVER, ...env }, { envFileDir: '/etc/spillway', hostName: 'host' })
const problemsOf = (env: Record<string, string>) =>
  parsed(env).problems.map(({ variable, reason }) => `${variable} ${reason}`)

describe('a source that is a command', () => {
  it('has a file, a folder to run in, and an environment without anything of ours', () => {
    const { config } = parsed({
      SOURCE_1_COMMAND: 'pg_dump app',
      SOURCE_1_NAME: 'my app',
      SOURCE_1_ENV: 'PGPASSWORD, DOCKER_HOST',
      ...{ PGPASSWORD: 'geheim', DOCKER_HOST: 'unix:///x', HOME: '/root', LC_ALL: 'C.UTF-8' },
      ...{ AWS_SECRET_ACCESS_KEY: 'other', PATH: '/usr/bin', SPILLWAY_CONFIG: '/x' },
    })
    expect(config?.sources).toMatchObject([
      {
        kind: 'command',
        name: 'my app',
        argv: ['pg_dump', 'app'],
        fileName: 'my-app.out',
        workingFolder: '/etc/spillway',
        silenceMs: 3_600_000,
        outputBytesMin: 1,
        secrets: ['geheim'],
      },
    ])
    expect((config?.sources[0] as CommandSource).environment).toEqual({
      ...{ PAGER: 'cat', TERM: 'dumb', PATH: '/usr/bin', HOME: '/root', LC_ALL: 'C.UTF-8' },
      ...{ PGPASSWORD: 'geheim', DOCKER_HOST: 'unix:///x' },
    })
    expect(secretsOf(config!)).toEqual(['geheim'])
  })

  it('is told all that is wrong with it at once', () => {
    const problems = problemsOf({
      SOURCE_1_PATH: '/srv',
      SOURCE_1_COMMAND: 'a | b',
      SOURCE_1_EXCLUDE: 'x',
      SOURCE_1_ENV: 'NOT_SET,S3_SERVER_1_SECRET_KEY',
      SOURCE_1_FILE: 'a/b',
      SOURCE_1_SILENCE_MINUTES: '0',
      SOURCE_2_PATH: '/srv/www',
      SOURCE_2_FILE: 'x',
      SOURCE_3_NAME: 'neither',
    })
    expect(problems).toEqual([
      'SOURCE_1_COMMAND has "|" outside quotes, which only a shell understands',
      'SOURCE_1_FILE must be a name without folders',
      'SOURCE_1_SILENCE_MINUTES must be a whole number from 1 to 10080',
      'SOURCE_1_ENV must not name settings of Spillway, as S3_SERVER_1_SECRET_KEY is',
      'SOURCE_1_COMMAND is set, and so is SOURCE_1_PATH',
      'SOURCE_1_EXCLUDE means nothing to a command',
      'SOURCE_1_NAME is missing',
      'SOURCE_2_FILE means nothing to a folder',
      'SOURCE_3_PATH is missing',
    ])
  })

  it('names no variable that is not set', () => {
    const env = { SOURCE_1_COMMAND: 'a', SOURCE_1_NAME: 'a', SOURCE_1_ENV: 'PGPASSFILE' }
    expect(problemsOf(env)).toEqual(['SOURCE_1_ENV names PGPASSFILE, which is not set'])
  })

  it('never shows a password that stands in its URL', () => {
    const url = 'a postgres://me:geheim@db/app'
    const { problems } = parsed({ SOURCE_1_COMMAND: url, SOURCE_1_NAME: 'a' })
    expect(problems).toMatchObject([{ variable: 'SOURCE_1_COMMAND', value: undefined }])
  })

  it('makes the file secret when it hands a value on', () => {
    expect(holdsSecrets('SOURCE_1_ENV=A, PGPASSWORD\nPGPASSWORD=geheim\n')).toBe(true)
    expect(holdsSecrets('SOURCE_1_ENV=A\nPGPASSWORD=\nOTHER=x\n')).toBe(false)
  })
})

describe('programs around the reading of a source', () => {
  const PATH = { SOURCE_1_PATH: '/srv', SOURCE_1_NAME: 'a' }

  it('get the surroundings of a command, and a time', () => {
    const { config } = parsed({
      ...PATH,
      SOURCE_1_BEFORE: "lvcreate -s -n 'my snap'",
      SOURCE_1_ENV: 'API_TOKEN',
      API_TOKEN: 'geheim',
      SOURCE_2_COMMAND: 'dump',
      SOURCE_2_NAME: 'b',
      SOURCE_2_ON_ERROR: 'mailer',
      SOURCE_2_HOOK_MINUTES: '3',
      SOURCE_3_PATH: '/etc',
    })
    const [a, b, c] = config!.sources
    expect(a?.hooks).toMatchObject({
      before: {
        argv: ['lvcreate', '-s', '-n', 'my snap'],
        workingFolder: '/etc/spillway',
        environment: { API_TOKEN: 'geheim', TERM: 'dumb' },
      },
      after: undefined,
      onError: undefined,
      timeoutMs: 600_000,
    })
    expect(b).toMatchObject({ kind: 'command', hooks: { onError: { argv: ['mailer'] } } })
    expect(b?.hooks?.timeoutMs).toBe(180_000)
    expect(c?.hooks).toBeUndefined()
    expect(secretsOf(config!)).toEqual(['geheim'])
  })

  it('are judged like a command', () => {
    expect(
      problemsOf({
        ...PATH,
        SOURCE_1_BEFORE: 'sync && lvcreate',
        SOURCE_1_AFTER: "bash -c 'a | b'",
        SOURCE_1_HOOK_MINUTES: '0',
        SOURCE_1_ENV: 'NOT_SET',
        SOURCE_2_PATH: '/etc',
        SOURCE_2_ENV: 'HOME',
        HOME: '/root',
      }),
    ).toEqual([
      'SOURCE_1_BEFORE has "&" outside quotes, which only a shell understands',
      'SOURCE_1_AFTER has a pipe, which hides whether the commands before its last one did well',
      'SOURCE_1_HOOK_MINUTES must be a whole number from 1 to 1440',
      'SOURCE_1_ENV names NOT_SET, which is not set',
      'SOURCE_2_ENV means nothing to a folder without BEFORE, AFTER or ON_ERROR',
    ])
  })
})
