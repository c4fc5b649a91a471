import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { editEnvText } from '../../src/config/env-file.ts'
import { renderExample } from '../../src/config/example.ts'
import { parseEnvText } from '../../src/config/load.ts'
import { parse } from '../../src/config/parse.ts'
import { formatProblem } from '../../src/config/problem.ts'
import {
  GLOBAL_SETTINGS,
  KEEP_NOTE,
  KEEP_SETTINGS,
  SERVER_SETTINGS,
  SOURCE_SETTINGS,
} from '../../src/config/settings.ts'
import { NOTIFY_SETTINGS } from '../../src/config/notify-settings.ts'
import { PROVIDERS } from '../../src/domain/providers.ts'

const example = renderExample()

it('.env.example is what the tables say', () => {
  const file = readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8')
  expect(file, 'the tables changed: run "npm run env-example"').toBe(example)
})

it.each([
  ...Object.keys(GLOBAL_SETTINGS),
  ...Object.keys(SERVER_SETTINGS).map((name) => `S3_SERVER_1_${name}`),
  ...Object.keys(SOURCE_SETTINGS).map((name) => `SOURCE_1_${name}`),
  ...Object.keys(NOTIFY_SETTINGS).map((name) => `NOTIFY_1_${name}`),
])('shows %s exactly once', (name) => {
  expect(example.match(new RegExp(`^#?${name}=`, 'gm'))).toHaveLength(1)
})

it('says above the rules of retention what none of them takes away', () => {
  expect(example).toContain(KEEP_NOTE)
  for (const name of Object.keys(KEEP_SETTINGS))
    expect(example).toMatch(new RegExp(`^#${name}=`, 'm'))
})

it('names every provider', () => {
  for (const { id, name } of PROVIDERS) {
    if (id !== 'other') expect(example).toContain(name)
  }
})

it('copied as it is, says nothing yet and is no error', () => {
  const { config } = parseExample(example)
  expect(config).toMatchObject({ servers: [], sources: [] })
})

describe('works as soon as one block is filled in:', () => {
  const blocks = [...example.matchAll(/^# (.+)\n(?:# .+\n)*#?S3_SERVER_(\d+)_ENDPOINT=(.*)$/gm)]

  it('there is one for each provider of the list', () => {
    expect(blocks.map(([, name]) => name?.replace(/:.*/, ''))).toEqual([
      ...['iDrive e2', 'AWS S3', 'Backblaze B2', 'Wasabi', 'MinIO', 'DigitalOcean Spaces'],
      ...['Cloudflare R2', 'Ceph RADOS gateway', 'A local directory'],
    ])
  })

  it.each(blocks.map(([, name = '', number = '', endpoint = '']) => ({ name, number, endpoint })))(
    '$name',
    ({ number, endpoint }) => {
      // As a person does it: the "#" go, the capitals and the empty values are replaced.
      const filled = example
        .replace(new RegExp(`^#(S3_SERVER_${number}_)`, 'gm'), '$1')
        .replace(new RegExp(`^(S3_SERVER_${number}_ENDPOINT=)$`, 'm'), '$1x.ch11.idrivee2-1.com')
        .replace(new RegExp(`^(S3_SERVER_${number}_REGION=)$`, 'm'), '$1us-east-1')
        .replace(/^(S3_SERVER_\d+_(?:ENDPOINT|REGION)=.*)REGION/gm, '$1eu-central-1')
        .replace(/ACCOUNT/g, '0123abc')
        .replace(
          new RegExp(`^(S3_SERVER_${number}_(?:ACCESS_KEY|SECRET_KEY|BUCKET)=)$`, 'gm'),
          '$1abcdefgh',
        )
        .replace(
          new RegExp(
            `^S3_SERVER_${number}_(?:.*_FILE|CA_FILE|STORAGE_CLASS|PREFIX|LABEL|ENABLED|PATH_STYLE)=.*\n`,
            'gm',
          ),
          '',
        )
      const { config, problems } = parseExample(
        editEnvText(filled, { set: [['SOURCE_1_PATH', '/srv/www']] }),
      )
      expect(problems.map(formatProblem)).toEqual([])
      expect(config?.servers).toHaveLength(1)
      expect(config?.servers[0]?.number).toBe(Number(number))
      expect(config?.servers[0]?.kind).toBe(endpoint.startsWith('file:') ? 'file' : 's3')
    },
  )
})

it('has examples that the parser accepts', () => {
  const wrong: string[] = []
  for (const [name, { example: text, parse: parseValue }] of Object.entries({
    ...GLOBAL_SETTINGS,
    ...SERVER_SETTINGS,
    ...SOURCE_SETTINGS,
    ...NOTIFY_SETTINGS,
  })) {
    if (text === '') continue
    try {
      parseValue(text, { envFileDir: '/etc/spillway' })
    } catch (error) {
      wrong.push(`${name}: ${String(error)}`)
    }
  }
  expect(wrong).toEqual([])
})

it('has defaults that the parser accepts, and lines that fit a terminal', () => {
  const commented = example.replace(/^#([A-Z][A-Z0-9_]*=)/gm, (line, name: string) =>
    /^(?:S3_SERVER|SOURCE|NOTIFY)_/.test(name) ? line : name,
  )
  expect(parseExample(commented).problems.map(formatProblem)).toEqual([])
  expect(example.split('\n').filter((line) => line.length > 120)).toEqual([])
})

function parseExample(text: string) {
  const env = parseEnvText(text)
  return parse(env, { envFileDir: '/etc/spillway', fileNames: Object.keys(env) })
}
