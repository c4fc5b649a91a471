// `spillway seal` on a real env file with real keys; what is checked afterwards is every byte of the folder.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sealCommand } from '../../src/cli/commands/seal.ts'
import { loadConfig, parseEnvText } from '../../src/config/load.ts'
import { openDraft } from '../../src/operations/configure.ts'
import { printableLines } from '../../src/operations/configure-masks.ts'
import { reorderEntries } from '../../src/operations/configure-entries.ts'
import { randomFrom } from '../catalog/fixtures.ts'
import { commandLine } from '../support/command-line.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const random = randomFrom(SEED)

const SECRETS = [
  'canary/one+secret',
  'CANARYKEYID',
  'canary-topic',
  'canary#pass"word',
  'canary-two',
]
const FILE = `# mine
SERVER_ID=web1   # this host
S3_SERVER_1_ENDPOINT=s3.example.net
S3_SERVER_1_REGION=eu-1
S3_SERVER_1_ACCESS_KEY=CANARYKEYID
S3_SERVER_1_SECRET_KEY="canary/one+secret" # of the console
S3_SERVER_1_BUCKET=backups

S3_SERVER_2_ENDPOINT=s3.example.org
S3_SERVER_2_REGION=eu-2
S3_SERVER_2_ACCESS_KEY=CANARYKEYID
S3_SERVER_2_SECRET_KEY=canary-two
S3_SERVER_2_BUCKET=backups
export NOTIFY_1_URL=ntfy+https://ntfy.example.net/canary-topic
NOTIFY_2_URL=smtp://me@mail.example.net:587/?from=a@example.net&to=b@example.net
NOTIFY_2_PASSWORD='canary#pass"word'
OTHER_PROGRAMS_TOKEN=stays
`
const NAMES = [
  ...['S3_SERVER_1_ACCESS_KEY', 'S3_SERVER_1_SECRET_KEY', 'S3_SERVER_2_ACCESS_KEY'],
  ...['S3_SERVER_2_SECRET_KEY', 'NOTIFY_1_URL', 'NOTIFY_2_URL', 'NOTIFY_2_PASSWORD'],
]

let folder: string
let file: string
let keyFile: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-seal-'))
  file = join(folder, '.env')
  keyFile = join(folder, 'data/seal.key')
  writeFileSync(file, FILE, { mode: 0o600 })
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('spillway seal', () => {
  it('seals every secret in its place, and leaves none anywhere in plain', async () => {
    const before = load()
    await seal('--create-key')
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700)

    const { exit, out, err } = await seal()
    expect([exit, err]).toEqual([0, []])
    expect(out).toEqual([
      ...NAMES.map((name) => `  ${name}`),
      `7 values of ${file} are written sealed.`,
    ])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const sealed = text()
    for (const name of NAMES) expect(values()[name]).toMatch(/^SEALED:v1:/)
    // All else is as it was: names, order, comments, quotes.
    expect(sealed.replace(/SEALED:v1:[\w-]+/g, '*')).toBe(
      FILE.replace(/(_KEY|_URL)=(")?[^"\n]+?(")?( #.*)?$/gm, '$1=$2*$3$4').replace(
        /'canary.*'/,
        "'*'",
      ),
    )
    expect(plainAnywhere()).toEqual([])
    expect(load()).toEqual(before)
    // Nothing is left to do, and nothing is written again.
    expect((await seal()).out).toEqual([
      `Nothing to do: ${file} has no plain secrets in its settings.`,
    ])
    expect(text()).toBe(sealed)
  })

  it('--dry-run names them, and does nothing', async () => {
    await seal('--create-key')
    const { out } = await seal('--dry-run')
    expect(out.slice(0, -1)).toEqual(NAMES.map((name) => `  ${name}`))
    expect(out.at(-1)).toBe(`7 values of ${file} would be written sealed.`)
    expect(text()).toBe(FILE)
    expect((await seal('--dry-run', '--json')).json()).toEqual({
      ...{ action: 'seal', isDryRun: true, file, keyFile, variables: NAMES, warnings: [] },
    })
  })

  it('--undo writes them as they were', async () => {
    const before = load()
    await seal('--create-key')
    await seal()
    expect((await seal('--undo')).exit).toBe(0)
    expect(parseEnvText(text())).toEqual(parseEnvText(FILE))
    expect(load()).toEqual(before)
  })

  it('tells where plain secrets are left', async () => {
    await seal('--create-key')
    writeFileSync(file, `${FILE}#S3_SERVER_1_SECRET_KEY=of-last-year\n# was: canary-two\n`)
    copyFileSync(file, join(folder, '.env.bak'))
    writeFileSync(join(folder, 'env.txt'), 'has nothing')
    const { exit, err } = await seal()
    expect(exit).toBe(3)
    expect(err).toEqual([
      `warning: line 18 of ${file} holds a secret in plain, in a comment: remove it`,
      `warning: line 19 of ${file} holds a secret in plain, in a comment: remove it`,
      `warning: ${folder}/.env.bak holds secrets in plain`,
    ])
    // Also when nothing is left to be sealed.
    expect((await seal()).err).toEqual(err)
  })

  it('removes what a killed writer left of the plain file, however young', async () => {
    await seal('--create-key')
    const leftover = join(folder, '..env.spillway-0123456789ab')
    writeFileSync(leftover, FILE, { mode: 0o600 })
    await seal()
    expect(existsSync(leftover)).toBe(false)
  })

  it.each([
    ['without a key', [], () => {}, 'there is no key to seal with', 'spillway seal --create-key'],
    ['--undo --rotate', ['--undo', '--rotate'], () => {}, '--rotate and --undo exclude', ''],
    ['without a key to change', ['--rotate'], () => {}, 'there is no key to seal with', ''],
    [
      'a variable on two lines',
      [],
      () => writeFileSync(file, `${FILE}S3_SERVER_1_SECRET_KEY=canary-again\n`),
      'is set on more than one line (6, 18)',
      '',
    ],
  ])('refuses %s', async (_what, argv, spoil, message, hint) => {
    spoil()
    const before = text()
    const { exit, err } = await seal(...argv)
    expect(exit).toBeGreaterThan(1)
    expect(err.join('\n')).toContain(message)
    expect(err.join('\n')).toContain(hint)
    expect(err.join('\n')).not.toContain('canary')
    expect(text()).toBe(before)
  })

  it('refuses a key that others can read, and a second one', async () => {
    await seal('--create-key')
    const key = readFileSync(keyFile)
    const again = await seal('--create-key')
    expect(again.exit).toBe(4)
    expect(again.err.join('\n')).toContain(`there is a key already: ${keyFile}`)
    expect(readFileSync(keyFile)).toEqual(key)
    expect(readdirSync(join(folder, 'data'))).toEqual(['seal.key'])
    chmodSync(keyFile, 0o644)
    const { exit, err } = await seal()
    expect(exit).toBe(4)
    expect(err.join('\n')).toContain(`lets others at it: ${keyFile}, mode 0644`)
    expect(text()).toBe(FILE)
  })

  it('writes nothing when one value cannot be opened', async () => {
    await seal('--create-key')
    await seal()
    const sealed = text().replace(/(S3_SERVER_2_SECRET_KEY=SEALED:v1:)[\w-]{9}/, '$1AAAAAAAAA')
    writeFileSync(file, sealed)
    for (const argv of [[], ['--undo'], ['--rotate']]) {
      const { exit, err } = await seal(...argv)
      expect(exit).toBe(4)
      expect(err.join('\n')).toContain('S3_SERVER_2_SECRET_KEY is sealed with another key')
      expect(text()).toBe(sealed)
    }
    expect(existsSync(`${keyFile}.new`)).toBe(false)
  })
})

describe('a change of keys', () => {
  it('leaves one key, with which all is sealed', async () => {
    const before = load()
    await seal('--create-key')
    await seal()
    const [key, sealed] = [readFileSync(keyFile, 'utf8'), text()]
    writeFileSync(file, `${sealed}SOURCE_1_NAME=x\nSOURCE_1_COMMAND=true\n`)
    const { out } = await seal('--rotate')
    expect(out.at(-1)).toBe(`7 values of ${file} are written with a new key.`)
    expect(readdirSync(join(folder, 'data'))).toEqual(['seal.key'])
    expect(readFileSync(keyFile, 'utf8')).not.toBe(key)
    expect(load().servers).toEqual(before.servers)
    // The old key opens none of it.
    writeFileSync(keyFile, key)
    expect(load).toThrow(/is sealed with another key/)
  })

  it('that is cut off anywhere can be read, and is ended by the next seal', async () => {
    const before = load()
    await seal('--create-key')
    await seal()
    const [oldKey, oldText] = [readFileSync(keyFile), text()]
    await seal('--rotate')
    const [newKey, newText] = [readFileSync(keyFile), text()]
    const states = { 'the new key is made': oldText, 'the file is written': newText }
    for (const [state, env] of Object.entries(states)) {
      writeFileSync(keyFile, oldKey)
      writeFileSync(`${keyFile}.new`, newKey, { mode: 0o600 })
      writeFileSync(file, env)
      expect(load(), state).toEqual(before)
      // The wizard of that moment seals with the key that will be left.
      const draft = openDraft({ env: {}, cwd: folder })
      draft.change({ set: [['S3_SERVER_1_SECRET_KEY', 'canary-three']] })
      await draft.save()
      const { exit } = await seal()
      expect(exit, state).toBe(0)
      expect(readdirSync(join(folder, 'data')), state).toEqual(['seal.key'])
      expect(readFileSync(keyFile), state).toEqual(newKey)
      expect(load().servers[0], state).toMatchObject({ secretKey: 'canary-three' })
      expect(load().servers[1], state).toEqual(before.servers[1])
    }
  })

  it(`beside another change loses no secret and no change (seed ${SEED})`, async () => {
    await seal('--create-key')
    await seal()
    let saved = 0
    for (let round = 0; round < 40; round += 1) {
      const begun = performance.now()
      const until = (ms: number) => sleep(Math.max(0, begun + ms - performance.now()))
      const change = async (): Promise<void> => {
        await until(random() * 8)
        const draft = openDraft({ env: {}, cwd: folder })
        draft.change({ set: [['S3_SERVER_1_STORAGE_LIMIT_GB', String(round + 1)]] })
        await draft.save()
      }
      const rotate = async (): Promise<void> => {
        await until(random() * 4)
        expect((await seal('--rotate')).exit).toBe(0)
      }
      const [changed] = await Promise.allSettled([change(), rotate()])
      if (changed.status === 'fulfilled') saved += 1
      else expect(changed.reason).toMatchObject({ code: 'SETTINGS_CHANGED' })

      expect(load().servers[0]).toMatchObject({ secretKey: 'canary/one+secret' })
      const limit = values()['S3_SERVER_1_STORAGE_LIMIT_GB']
      expect(limit === String(round + 1)).toBe(changed.status === 'fulfilled')
    }
    // Both ends were met.
    expect(saved).toBeGreaterThan(0)
  })

  it('is refused where the environment has what it would lose', async () => {
    await seal('--create-key')
    await seal()
    const env = { S3_SERVER_1_SECRET_KEY: values()['S3_SERVER_1_SECRET_KEY']! }
    const { exit, err } = await spillway(['seal', '--rotate', '--config', file], env)
    expect(exit).toBe(4)
    expect(err).toContain('the environment has sealed values, which would be lost')
  })
})

describe('what configure writes', () => {
  it('is sealed once there is a key, and never before', async () => {
    const draft = openDraft({ env: {}, cwd: folder })
    draft.change({ set: [['S3_SERVER_1_SECRET_KEY', 'canary-new']] })
    expect(draft.state.text).toContain('canary-new')

    await seal('--create-key')
    await seal()
    const second = openDraft({ env: {}, cwd: folder })
    expect(second.value('S3_SERVER_1_SECRET_KEY')).toBe('canary/one+secret')
    second.change({
      set: [
        ['S3_SERVER_1_SECRET_KEY', 'canary-new'],
        ['COPIES', '2'],
      ],
    })
    expect(second.value('S3_SERVER_1_SECRET_KEY')).toBe('canary-new')
    expect(second.check()).toMatchObject({ made: [], old: [] })
    await second.save()
    expect(plainAnywhere()).toEqual([])
    expect(load()).toMatchObject({ copies: 2, servers: [{ secretKey: 'canary-new' }, {}] })
  })

  it('stays the same text where the value stays the same', async () => {
    await seal('--create-key')
    await seal()
    const draft = openDraft({ env: {}, cwd: folder })
    draft.change({ set: [['S3_SERVER_1_SECRET_KEY', 'canary/one+secret']] })
    expect(draft.isChanged).toBe(false)
  })

  it('moves with its entry', async () => {
    const before = load().servers
    await seal('--create-key')
    await seal()
    const draft = openDraft({ env: {}, cwd: folder })
    draft.change(reorderEntries(draft.values, 'S3_SERVER', [2, 1]))
    expect(draft.check().made).toEqual([])
    await draft.save()
    expect(load().servers).toMatchObject([
      { number: 1, secretKey: 'canary-two', identity: before[1]!.identity },
      { number: 2, secretKey: 'canary/one+secret', identity: before[0]!.identity },
    ])
    expect(plainAnywhere()).toEqual([])
  })

  it('without its key can be mended one secret after the other', async () => {
    await seal('--create-key')
    await seal()
    renameSync(keyFile, join(folder, 'lost'))
    await seal('--create-key')
    const draft = openDraft({ env: {}, cwd: folder })
    expect(draft.check().old.map(({ variable }) => variable)).toEqual(NAMES)
    expect(printableLines(draft.values).join('\n')).not.toMatch(/SEALED|canary/)
    expect(() => draft.change(reorderEntries(draft.values, 'S3_SERVER', [2, 1]))).toThrow(
      'cannot be opened, so it cannot move',
    )
    draft.change({ set: [['S3_SERVER_1_SECRET_KEY', 'canary-again']] })
    expect(draft.check().made).toEqual([])
    expect(draft.check().old.map(({ variable }) => variable)).toEqual(
      NAMES.filter((name) => name !== 'S3_SERVER_1_SECRET_KEY'),
    )
  })

  it('is refused, and not written plain, while others can read the key', async () => {
    await seal('--create-key')
    chmodSync(keyFile, 0o640)
    const draft = openDraft({ env: {}, cwd: folder })
    const change = () => draft.change({ set: [['S3_SERVER_1_SECRET_KEY', 'canary-new']] })
    expect(change).toThrow(expect.objectContaining({ code: 'CONFIG_UNSAFE' }) as Error)
    draft.change({ set: [['COPIES', '2']] })
  })

  it('--set and --print of the program do so, too', async () => {
    await seal('--create-key')
    await seal()
    const { exit, out } = await spillway([
      'configure',
      '--set=COPIES=1',
      '--print',
      '--config',
      file,
    ])
    expect(exit).toBe(0)
    expect(out.toString()).toContain("S3_SERVER_1_SECRET_KEY='********'")
    expect(out.toString()).toContain('S3_SERVER_1_ACCESS_KEY=...EYID')
    expect(out.toString()).not.toMatch(/SEALED|canary/i)
  })
})

it('a run with sealed secrets stores its archive, and says no secret anywhere', async () => {
  const world = await World.make([{}])
  try {
    await world.noise('a', 100_000)
    const config = await world.writeEnv()
    expect((await spillway(['seal', '--create-key', '--config', config])).exit).toBe(0)
    const sealed = await spillway(['seal', '--config', config])
    expect(sealed.exit, sealed.err).toBe(0)
    const { exit, err } = await spillway(['run', '--json', '--config', config])
    expect(exit, err).toBe(0)
    expect(world.models[0]!.objects()).not.toEqual([])
    const { secretKey, accessKey } = world.models[0]!.keys
    expect(plainIn(world.folder, [secretKey, accessKey])).toEqual([])
  } finally {
    await world.close()
  }
})

it('a source with all of it in has the env file archived, and not the key', async () => {
  const world = await World.make([{}])
  try {
    world.env['SOURCE_1_PATH'] = world.folder
    world.env['SEAL_KEY_FILE'] = join(world.folder, 'some.key')
    const config = await world.writeEnv()
    await spillway(['seal', '--create-key', '--config', config])
    const { exit, err } = await spillway(['run', '--config', config])
    expect(exit, err).toBe(0)
    const files = await spillway(['files', 'latest:docs', '--config', config])
    expect(files.out.toString()).toContain('.env')
    expect(files.out.toString()).not.toContain('some.key')
  } finally {
    await world.close()
  }
})

function seal(...argv: readonly string[]) {
  return commandLine([sealCommand], () => ({}), ['seal', '--config', file, ...argv])
}

function load() {
  return loadConfig({ env: {}, configFlag: file }).config
}

function text(): string {
  return readFileSync(file, 'utf8')
}

function values(): Record<string, string> {
  return parseEnvText(text())
}

function plainAnywhere(): readonly string[] {
  return plainIn(folder, [...SECRETS, 'canary'])
}

/** Every byte of every file. */
function plainIn(root: string, secrets: readonly string[]): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile()) return []
    const bytes = readFileSync(path)
    return secrets.filter((secret) => bytes.includes(secret)).map((secret) => `${path}: ${secret}`)
  })
}
