import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { parse, requireServers, secretsOf } from '../../src/config/parse.ts'
import { configInvalid, formatProblem } from '../../src/config/problem.ts'
import { GLOBAL_SETTINGS, SERVER_SETTINGS } from '../../src/config/settings.ts'
import type { Config } from '../../src/domain/config.ts'

const SECRET = 'veryverysecretkey'

const SERVER = {
  S3_SERVER_1_ENDPOINT: 's3.example.net',
  S3_SERVER_1_REGION: 'eu-1',
  S3_SERVER_1_ACCESS_KEY: 'AKIDEXAMPLE',
  S3_SERVER_1_SECRET_KEY: SECRET,
  S3_SERVER_1_BUCKET: 'backups',
}

describe('an empty environment', () => {
  it('is a configuration with every default', () => {
    expect(config({})).toEqual({
      envFile: undefined,
      serverId: 'web-1.example',
      sealKeyFile: '/etc/spillway/data/seal.key',
      randomDelayMs: 300_000,
      dataDir: '/etc/spillway/data',
      hasSpool: true,
      spoolDir: '/etc/spillway/data/spool',
      spoolLimitBytes: undefined,
      catalogPath: '/etc/spillway/data/catalog.db',
      servers: [],
      sources: [],
      copies: 1,
      localKeep: 0,
      uploadLimitBitsPerSecond: undefined,
      proxy: { httpsProxy: undefined, noProxy: undefined },
      verifiesPacking: true,
      verifyNightlyBytes: undefined,
      zstdLevel: 3,
      parallelSources: 1,
      schedule: '30 2 * * *',
      daemon: {
        listen: { host: '127.0.0.1', port: 8420 },
        names: [],
        restoreRoots: ['/etc/spillway/data/restored'],
        defaultRestoreRoot: '/etc/spillway/data/restored',
        sourceRoots: ['/'],
      },
      notifications: [],
    })
  })

  it('has no servers, which matters only to those who need one', () => {
    expect(() => requireServers(config({}))).toThrow('No S3 servers configured')
    const disabled = config({ ...SERVER, S3_SERVER_1_ENABLED: 'no' })
    expect(disabled.servers).toHaveLength(1)
    expect(() => requireServers(disabled)).toThrow(/^No S3 servers configured/)
    expect(() => requireServers(config(SERVER))).not.toThrow()
  })
})

describe('servers', () => {
  it('are read with all their settings', () => {
    expect(
      config({
        ...SERVER,
        S3_SERVER_1_STORAGE_LIMIT_GB: '0.000000001',
        S3_SERVER_1_PREFIX: '/nightly//web/',
        S3_SERVER_1_PATH_STYLE: 'true',
        S3_SERVER_1_STORAGE_CLASS: 'STANDARD_IA',
      }).servers,
    ).toEqual([
      {
        kind: 's3',
        number: 1,
        identity: 's3.example.net|backups|nightly/web',
        label: '1: s3.example.net/backups/nightly/web',
        endpoint: 'https://s3.example.net',
        prefix: 'nightly/web',
        limitBytes: 1,
        isEnabled: true,
        bucket: 'backups',
        region: 'eu-1',
        accessKey: 'AKIDEXAMPLE',
        secretKey: SECRET,
        caPem: undefined,
        isPathStyle: true,
        storageClass: 'STANDARD_IA',
      },
    ])
  })

  it('come in numeric order, with gaps, and any number of them', () => {
    const env = Object.fromEntries(
      [100, 9, 10, 2].map((number) => [`S3_SERVER_${number}_ENDPOINT`, `file:///mnt/${number}`]),
    )
    expect(config(env).servers.map(({ number }) => number)).toEqual([2, 9, 10, 100])
  })

  it('do not exist when all their values are empty, as in a copied .env.example', () => {
    expect(
      config({ S3_SERVER_1_ENDPOINT: '', S3_SERVER_1_BUCKET: ' ', SOURCE_1_PATH: '' }),
    ).toMatchObject({ servers: [], sources: [] })
  })

  it('may be local directories, which have no keys', () => {
    expect(config({ S3_SERVER_3_ENDPOINT: 'file:///mnt/usb disk/' }).servers).toEqual([
      {
        kind: 'file',
        number: 3,
        identity: 'file:/mnt/usb%20disk|',
        label: '3: /mnt/usb disk',
        endpoint: 'file:///mnt/usb%20disk',
        directory: '/mnt/usb disk',
        prefix: '',
        limitBytes: 100_000_000_000,
        isEnabled: true,
      },
    ])
    expect(
      problems({ S3_SERVER_3_ENDPOINT: 'file:///mnt/usb', S3_SERVER_3_BUCKET: 'backups' }),
    ).toEqual([
      'S3_SERVER_3_BUCKET has no meaning for a local directory; remove it, or correct the endpoint',
    ])
  })

  it('name everything that is missing at once', () => {
    expect(problems({ S3_SERVER_1_ENDPOINT: 's3.eu-central-1.wasabisys.com' })).toEqual([
      'S3_SERVER_1_REGION is missing; the endpoint says: S3_SERVER_1_REGION=eu-central-1',
      'S3_SERVER_1_BUCKET is missing; bucket, which must exist already',
      'S3_SERVER_1_ACCESS_KEY is missing; set it to the access key id',
      'S3_SERVER_1_SECRET_KEY is missing; set it to the secret access key',
    ])
    expect(problems({ S3_SERVER_1_BUCKET: 'b' })[0]).toMatch(/^S3_SERVER_1_BUCKET="b" must be 3/)
    expect(problems({ S3_SERVER_1_REGION: 'eu-1' })).toEqual([
      expect.stringMatching(/^S3_SERVER_1_ENDPOINT is missing; set it to host name/),
      expect.stringMatching(/^S3_SERVER_1_BUCKET is missing/),
      expect.stringMatching(/^S3_SERVER_1_ACCESS_KEY is missing/),
      expect.stringMatching(/^S3_SERVER_1_SECRET_KEY is missing/),
    ])
  })

  it('are an error when two of them are one place, however it is written', () => {
    const twin = Object.fromEntries(
      Object.entries(SERVER).map(([name, value]) => [name.replace('_1_', '_7_'), value]),
    )
    expect(
      problems({ ...SERVER, ...twin, S3_SERVER_7_ENDPOINT: 'http://S3.Example.NET:80/' }),
    ).toEqual([expect.stringMatching(/^S3_SERVER_7_ENDPOINT names the same place as S3_SERVER_1/)])
    expect(config({ ...SERVER, ...twin, S3_SERVER_7_PREFIX: 'x' }).servers).toHaveLength(2)
  })

  it.each([
    ['S3_SERVER_01_BUCKET', 'has the same number as S3_SERVER_1_BUCKET'],
    ['S3_SERVER_02_BUCKET', 'has a number with leading zeros; write S3_SERVER_2_BUCKET'],
    ['S3_SERVER_0_BUCKET', 'has the number 0'],
    ['S3_SERVER_12345678901234567890_BUCKET', 'has too large a number'],
    ['S3_SERVER_1_BUKCET', 'is not a setting; the nearest is S3_SERVER_1_BUCKET'],
    ['S3_SERVER_1_LIMIT_GB', 'is not a setting; the nearest is S3_SERVER_1_STORAGE_LIMIT_GB'],
    ['S3_SERVER_1_SECRET', 'is not a setting; the nearest is S3_SERVER_1_SECRET_KEY'],
    ['SOURCE_1_KEEP_WEEKY', 'is not a setting; the nearest is SOURCE_1_KEEP_WEEKLY'],
  ])('refuse the name %s', (name, message) => {
    expect(problems({ ...SERVER, [name]: 'something' }).join('\n')).toContain(`${name} ${message}`)
  })
})

describe('names in the file that are nearly ours', () => {
  it.each([
    ['KEEP_WEEKY', 'KEEP_WEEKLY'],
    ['SEVER_ID', 'SERVER_ID'],
    ['SERVRE_ID', 'SERVER_ID'],
    ['S3_SERVER_BUCKET', 'S3_SERVER_N_BUCKET'],
    ['S3SERVER_1_BUCKET', 'S3_SERVER_N_BUCKET'],
    ['S3_SEVER_1_BUCKET', 'S3_SERVER_N_BUCKET'],
    ['s3_server_1_bucket', 'S3_SERVER_N_BUCKET'],
    ['SOURCE_PATH', 'SOURCE_N_PATH'],
    ['SOURCE1_PATH', 'SOURCE_N_PATH'],
  ])('%s is taken for %s', (name, meant) => {
    expect(problems({ [name]: 'x' })).toEqual([`${name} is not a setting; is ${meant} meant?`])
  })

  it.each([
    'HTTP_PROXY',
    'https_proxy',
    'SOURCE_DATE_EPOCH',
    'AWS_REGION',
    'PATH',
    'TZ',
    'BACKUPS',
  ])('%s is none of our business', (name) => {
    expect(problems({ [name]: 'http://proxy.example.net' })).toEqual([])
  })

  it('are found within a value whose quote was not closed: a source would be gone', () => {
    const value = '/srv/docs\n# the mail\nSOURCE_2_NAME=mail\nSOURCE_2_PATH=/srv/mail'
    for (const name of ['SOURCE_1_PATH', 'MY_OWN'])
      expect(problems({ ...SERVER, [name]: value }).join('\n')).toContain(
        `${name} goes on over several lines, and one of them sets SOURCE_2_NAME; close its quote on its own line`,
      )
    const certificate = '-----BEGIN CERTIFICATE-----\nMIIB+abc=\nx=\n-----END CERTIFICATE-----'
    expect(problems({ MY_OWN: certificate })).toEqual([])
  })

  it('are no part of a value that begins with a quote and ends without, but for a secret', () => {
    const found = problems({ ...SERVER, SOURCE_1_PATH: '"/srv/docs' }).join('\n')
    expect(found).toContain('SOURCE_1_PATH begins with a quote (") that is not closed')
    expect(problems({ ...SERVER, S3_SERVER_1_SECRET_KEY: '"is-part-of-it' })).toEqual([])
    const command = { SOURCE_1_PATH: '/srv', SOURCE_1_BEFORE: '"/opt/my app/x" --all' }
    expect(problems({ ...SERVER, ...command })).toEqual([])
  })

  it('are not looked for in the environment', () => {
    const result = parse({ SEVER_ID: 'x' }, { envFileDir: '/etc', fileNames: [] })
    expect(result.problems).toEqual([])
  })
})

describe('values', () => {
  it.each([
    ['KEEP_DAILY', '-1', 'must be a whole number from 0'],
    ['KEEP_DAILY', '7 days', 'must be a whole number'],
    ['COPIES', '0', 'must be a whole number from 1'],
    ['ZSTD_LEVEL', '20', 'must be a whole number from 1 to 19'],
    ['VERIFY_PACK', 'maybe', 'must be true or false'],
    ['SCHEDULE', '30 2 * *', 'is no schedule: a schedule has 5 fields'],
    ['UPLOAD_LIMIT_MBIT', '0', 'must be at least 0.1; leave it out for no limit'],
    ['LISTEN', '8420', 'must be address:port, as in 127.0.0.1:8420 or [::1]:8420'],
    [
      'LISTEN',
      '0.0.0.0:8420',
      'must be an address of this machine alone, 127.0.0.1 or [::1]; ' +
        'let a proxy with TLS hand requests on, and name it in LISTEN_NAMES',
    ],
    ['LISTEN_NAMES', 'a b', 'must be names of hosts, and "a b" is none'],
    ['RESTORE_ROOTS', '/srv, /', 'must not be /: a restore could overwrite the system'],
    ['METRICS_FILE', '/srv/spillway.txt', 'must end in .prom; node_exporter reads no other files'],
    ['METRICS_FILE', '/srv/.prom', 'must end in .prom'],
    ['METRICS_FILE', '/spillway.prom', 'must not lie in /'],
    ['SPOOL_LIMIT_GB', '0', 'must be more than 0'],
    ['SERVER_ID', 'a/b', 'must be 1 to 64 letters'],
    ['SERVER_ID', '..', 'must not consist of dots'],
    ['SERVER_ID', 'spillway-catalog', 'is the folder of the catalog copies'],
    ['DATA_DIR', '~/data', /must not begin with ~.*write \//],
    ['DATA_DIR', '$HOME/data', 'must not begin with a variable'],
    ['CATALOG_URL', 'mysql://h/db', 'must be sqlite:PATH'],
    ['S3_SERVER_1_STORAGE_LIMIT_GB', '500GB', 'write the number alone: the unit is always GB'],
    ['S3_SERVER_1_STORAGE_LIMIT_GB', '0,5', 'write a point instead of the comma'],
    ['S3_SERVER_1_STORAGE_LIMIT_GB', '0.0000000001', 'must have at most 9 decimals'],
    ['S3_SERVER_1_STORAGE_LIMIT_GB', '9007199255', 'must be at most 9007199'],
    ['S3_SERVER_1_BUCKET', 'a/b', 'must not contain "/"'],
    ['S3_SERVER_1_BUCKET', 's3://backups', 'must be the name alone'],
    ['S3_SERVER_1_BUCKET', '192.168.1.1', 'must not look like an IP address'],
    ['S3_SERVER_1_BUCKET', 'a..b', 'two dots in a row'],
    ['S3_SERVER_1_PREFIX', 'a/../b', '"." or ".."'],
    ['S3_SERVER_1_PREFIX', 'näme', 'must consist of folders of'],
    ['S3_SERVER_1_REGION', 'eu west', 'must consist of letters, digits'],
    ['S3_SERVER_1_REGION', 'REGION', 'is still the placeholder'],
    ['S3_SERVER_1_PATH_STYLE', 'virtual', 'must be true, false or auto'],
    ['S3_SERVER_1_STORAGE_CLASS', 'standard', 'must be a name in capitals'],
    ['SOURCE_1_PATH', '~/www', /must not begin with ~.*write \//],
    ['SOURCE_1_NAME', 'a/b', 'must not contain "/"'],
  ])('%s=%s is refused', (name, value, message) => {
    const found = problems({ ...SERVER, SOURCE_1_PATH: '/srv/www', [name]: value })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(`${name}=${JSON.stringify(value)} `)
    expect(found[0]).toMatch(message)
  })

  it.each([
    ['1', 1_000_000_000],
    ['0.3', 300_000_000],
    ['100.000000001', 100_000_000_001],
    ['9007199.254740991', 9_007_199_254_740_991],
  ])('%s GB are %d bytes, exactly', (text, bytes) => {
    expect(config({ ...SERVER, S3_SERVER_1_STORAGE_LIMIT_GB: text }).servers[0]?.limitBytes).toBe(
      bytes,
    )
  })

  it('any number of bytes can be written in GB, and is read back to the byte', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const digits = String(bytes).padStart(10, '0')
        const text = `${digits.slice(0, -9)}.${digits.slice(-9)}`
        const { servers } = config({ ...SERVER, S3_SERVER_1_STORAGE_LIMIT_GB: text })
        expect(servers[0]?.limitBytes).toBe(bytes)
      }),
    )
  })

  it.each(['true', 'YES', '1', 'on'])('%s is true', (text) => {
    expect(config({ VERIFY_PACK: text }).verifiesPacking).toBe(true)
  })

  it.each(['false', 'No', '0', 'off'])('%s is false', (text) => {
    expect(config({ VERIFY_PACK: text }).verifiesPacking).toBe(false)
  })

  it('there is a spool unless it is said that there is none, and nothing that needs it then', () => {
    expect(config({}).hasSpool).toBe(true)
    expect(config({ SPOOL: 'None' }).hasSpool).toBe(false)
    expect(problems({ SPOOL: 'memory' })).toEqual([
      expect.stringContaining('SPOOL="memory" must be disk or none'),
    ])
    expect(problems({ SPOOL: 'none', LOCAL_KEEP: '2', SPOOL_LIMIT_GB: '1.5' })).toEqual([
      expect.stringContaining('LOCAL_KEEP="2" names archives that stay in the spool, and there is'),
      expect.stringContaining('SPOOL_LIMIT_GB="1.5" is a limit of the spool, and there is none'),
    ])
  })

  it('paths start at the folder of the env file', () => {
    expect(
      config({ DATA_DIR: 'state', SPOOL_DIR: '../spool', CATALOG_URL: 'sqlite:c.db' }),
    ).toMatchObject({
      dataDir: '/etc/spillway/state',
      hasSpool: true,
      spoolDir: '/etc/spool',
      catalogPath: '/etc/spillway/c.db',
    })
    expect(config({ CATALOG_URL: 'sqlite:///var/c.db' }).catalogPath).toBe('/var/c.db')
  })

  it('the proxy is found in small letters, too, and needs no scheme', () => {
    expect(config({ https_proxy: 'proxy.example.net:3128', no_proxy: 'a,b' }).proxy).toEqual({
      httpsProxy: 'http://proxy.example.net:3128',
      noProxy: 'a,b',
    })
  })

  it('PostgreSQL is not built yet, and the URL with its password is not shown', () => {
    const { problems: found } = parse(
      { CATALOG_URL: 'postgres://u:hunter2@db/x' },
      { envFileDir: '/etc' },
    )
    const error = configInvalid('/etc/.env', found)
    expect(error.code).toBe('NOT_BUILT')
    expect(error.failure.exit).toBe(4)
    expect(error.message).toContain('not built yet')
    expect(error.message).not.toContain('hunter2')
  })
})

describe('copies', () => {
  it('must not be more than the enabled servers', () => {
    expect(problems({ ...SERVER, COPIES: '2' })).toEqual([
      'COPIES="2" is more than the number of enabled servers, 1; add a server, or lower it',
    ])
    const second = { S3_SERVER_2_ENDPOINT: 'file:///mnt/b' }
    expect(config({ ...SERVER, ...second, COPIES: '2' }).copies).toBe(2)
    expect(
      problems({ ...SERVER, ...second, S3_SERVER_2_ENABLED: 'false', COPIES: '2' }),
    ).toHaveLength(1)
  })

  it('are not blamed for a server that has a problem of its own', () => {
    const found = problems({ ...SERVER, S3_SERVER_2_ENDPOINT: 'file:', COPIES: '2' })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain('S3_SERVER_2_ENDPOINT')
  })

  it('are blamed beside such a server where mending it would not be enough', () => {
    const off = { S3_SERVER_2_ENDPOINT: 'file:', S3_SERVER_2_ENABLED: 'off' }
    expect(problems({ ...SERVER, ...off, COPIES: '2' })).toContainEqual(
      expect.stringContaining('COPIES="2" is more than the number of enabled servers, 1'),
    )
  })
})

describe('sources', () => {
  it('are read with their patterns, their switches and the retention that applies', () => {
    const { sources } = config({
      KEEP_DAILY: '7',
      KEEP_WEEKLY: '4',
      SOURCE_2_PATH: 'www/',
      SOURCE_2_EXCLUDE: 'node_modules/, *.tmp,a\\,b\n/cache/,\\#kept',
      SOURCE_2_ONE_FILE_SYSTEM: 'yes',
      SOURCE_2_KEEP_WEEKLY: '0',
      SOURCE_2_KEEP_YEARLY: '5',
      SOURCE_10_PATH: '/',
      SOURCE_10_ALLOW_EMPTY: 'true',
    })
    const keep = { last: undefined, monthly: undefined, withinDays: undefined, daily: 7 }
    expect(sources).toEqual([
      {
        kind: 'folder',
        number: 2,
        name: 'www',
        path: '/etc/spillway/www',
        excludes: ['node_modules/', '*.tmp', 'a,b', '/cache/', '\\#kept'],
        isOneFileSystem: true,
        excludesCaches: false,
        mayBeEmpty: false,
        keep: { ...keep, weekly: 0, yearly: 5 },
      },
      {
        kind: 'folder',
        number: 10,
        name: 'root',
        path: '/',
        excludes: [],
        isOneFileSystem: false,
        excludesCaches: false,
        mayBeEmpty: true,
        keep: { ...keep, weekly: 4, yearly: undefined },
      },
    ])
  })

  it.each([
    ['/srv/www', '/var/www'],
    ['/srv/my www', '/var/my-www'],
  ])('%s and %s cannot have one name in object keys', (first, second) => {
    expect(problems({ SOURCE_1_PATH: first, SOURCE_2_PATH: second })).toEqual([
      expect.stringMatching(/^SOURCE_2_NAME is ".*like that of SOURCE_1; give one/),
    ])
  })

  it.each([
    ['SOURCE_1_PATH', '/etc/spillway/data', 'DATA_DIR'],
    ['SOURCE_1_PATH', '/etc/spillway/data/spool/x', 'DATA_DIR'],
    ['SOURCE_1_PATH', '/mnt/usb', 'the directory of S3_SERVER_1'],
  ])('%s=%s would archive archives [F61]', (name, value, place) => {
    const found = problems({ S3_SERVER_1_ENDPOINT: 'file:///mnt/usb', [name]: value })
    expect(found).toEqual([expect.stringContaining(`lies in ${place}`)])
  })

  it('may hold the data folder somewhere below', () => {
    expect(config({ SOURCE_1_PATH: '/etc' }).sources).toHaveLength(1)
  })

  it('may have a schedule of its own', () => {
    const own = {
      SOURCE_1_PATH: '/srv/a',
      SOURCE_1_SCHEDULE: '0  * * * *',
      SOURCE_2_PATH: '/srv/b',
    }
    const { sources } = config(own)
    expect(sources.map(({ schedule }) => schedule)).toEqual(['0 * * * *', undefined])
    expect(problems({ ...own, SOURCE_2_SCHEDULE: 'daily' })).toEqual([
      expect.stringContaining('SOURCE_2_SCHEDULE="daily" is no schedule'),
    ])
  })

  it('need a path, and a retention that keeps something', () => {
    expect(problems({ SOURCE_1_NAME: 'www' })).toEqual([
      expect.stringMatching(/^SOURCE_1_PATH is missing/),
    ])
    expect(problems({ KEEP_DAILY: '0', KEEP_LAST: '0', SOURCE_1_PATH: '/srv' })).toEqual([
      expect.stringContaining('KEEP_* are all 0, so no archive would be kept'),
    ])
    expect(problems({ KEEP_DAILY: '7', SOURCE_1_PATH: '/srv', SOURCE_1_KEEP_DAILY: '0' })).toEqual([
      expect.stringContaining('SOURCE_1_KEEP_* are all 0'),
    ])
  })
})

describe('files that hold a key or a certificate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-parse-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return name
  }
  const withoutSecret = Object.fromEntries(
    Object.entries(SERVER).filter(([name]) => name !== 'S3_SERVER_1_SECRET_KEY'),
  )
  const read = (env: Record<string, string>) => parse(env, { envFileDir: folder })

  it.each([
    ['beside the env file', (name: string) => ({ S3_SERVER_1_SECRET_KEY_FILE: name })],
    [
      'as a credential of systemd',
      (name: string) => ({
        CREDENTIALS_DIRECTORY: folder,
        S3_SERVER_1_SECRET_KEY_FILE: name,
      }),
    ],
    [
      'at an absolute path',
      (name: string) => ({ S3_SERVER_1_SECRET_KEY_FILE: join(folder, name) }),
    ],
  ])('are found %s, and lose one line end', (_where, variables) => {
    const { config: found } = read({
      ...withoutSecret,
      ...variables(write('key', `${SECRET}\r\n`)),
    })
    expect(found?.servers[0]).toMatchObject({ secretKey: SECRET })
  })

  it.each([
    ['none', undefined, 'names a file that does not exist'],
    ['empty', '\n', 'names an empty file'],
    ['two', `${SECRET}\n\n`, 'must not contain spaces or line breaks'],
  ])('are refused: %s', (name, text, message) => {
    if (text !== undefined) write(name, text)
    const { problems: found } = read({ ...withoutSecret, S3_SERVER_1_SECRET_KEY_FILE: name })
    expect(found.map(formatProblem)).toEqual([expect.stringContaining(message)])
    expect(found.map(formatProblem).join()).not.toContain(SECRET)
  })

  it.each([
    ['below a file', 'file/key', 'names a file that does not exist: '],
    ['in a circle of links', 'circle', 'names a file that cannot be read (ELOOP): '],
    ['with a name too long', 'k'.repeat(300), 'names a file that cannot be read (ENAMETOOLONG): '],
    ['without an end', '/dev/zero', 'names a file too large for the '],
    ['in no memory of a process', '/proc/self/mem', 'names a file that cannot be read (EIO): '],
  ])('are told of as a problem of their setting: %s', (_what, name, message) => {
    write('file', SECRET)
    rmSync(join(folder, 'circle'), { force: true })
    symlinkSync('circle', join(folder, 'circle'))
    for (const variable of ['S3_SERVER_1_SECRET_KEY_FILE', 'S3_SERVER_1_CA_FILE']) {
      const server = variable.includes('CA') ? SERVER : withoutSecret
      const { problems: found } = read({ ...server, [variable]: name })
      expect(found).toMatchObject([
        { variable, reason: expect.stringContaining(message) as string },
      ])
    }
  })

  it('are not allowed beside the key itself', () => {
    const { problems: found } = read({ ...SERVER, S3_SERVER_1_SECRET_KEY_FILE: 'key' })
    expect(found.map(formatProblem)).toEqual([
      'S3_SERVER_1_SECRET_KEY_FILE="key" is set, and S3_SERVER_1_SECRET_KEY as well; remove one of the two',
    ])
  })

  it('certificates are read, and judged by OpenSSL', () => {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-subj', '/CN=test', '-keyout', join(folder, 'ca.key'), '-out', join(folder, 'ca.pem')],
      ],
      { stdio: 'ignore' },
    )
    const { config: found } = read({ ...SERVER, S3_SERVER_1_CA_FILE: 'ca.pem' })
    expect(found?.servers[0]).toMatchObject({
      caPem: expect.stringMatching(/^-----BEGIN CERT/) as string,
    })

    const bad = write('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    for (const [file, message] of [
      ['ca.key', 'a file with a private key'],
      [bad, 'a file with a damaged certificate'],
      [write('text', 'hello'), 'a file without a PEM certificate'],
      ['.', 'a folder, not a file'],
    ] as const) {
      const { problems: wrong } = read({ ...SERVER, S3_SERVER_1_CA_FILE: file })
      expect(wrong.map(formatProblem)).toEqual([expect.stringContaining(message)])
    }
  })
})

describe('secrets', () => {
  it('are never part of a problem, whatever is wrong with them', () => {
    for (const value of ['with space', 'ümlaut', 'line\nbreak']) {
      const found = problems({
        ...SERVER,
        S3_SERVER_1_SECRET_KEY: `${SECRET} ${value}`,
        S3_SERVER_1_ENDPOINT: `https://user:${SECRET}@s3.example.net`,
        HTTPS_PROXY: `ftp://user:${SECRET}@proxy`,
      })
      expect(found).toHaveLength(3)
      expect(found.join('\n')).not.toContain(SECRET)
    }
  })

  it('are handed to the redactor', () => {
    expect(secretsOf(config({ ...SERVER, HTTPS_PROXY: 'http://u:p%40ss@proxy:1' }))).toEqual([
      SECRET,
      'p%40ss',
      'p@ss',
    ])
  })

  it('are marked in the table', () => {
    const marked = Object.entries({ ...GLOBAL_SETTINGS, ...SERVER_SETTINGS })
      .filter(([, setting]) => 'isSecret' in setting)
      .map(([name]) => name)
    expect(marked).toEqual(['ACCESS_KEY', 'SECRET_KEY'])
  })
})

describe('a server whose endpoint is wrong', () => {
  it('is judged by the rest of its values in the same round', () => {
    const found = problems({
      SCHEDUL: '1',
      COPIES: '3',
      S3_SERVER_1_ENDPOINT: 'http://x/y',
      SOURCE_1_PATH: 'rel',
    })
    expect(found.map((line) => line.replace(/[= ].*/s, ''))).toEqual([
      'SCHEDUL',
      'S3_SERVER_1_ENDPOINT',
      'S3_SERVER_1_REGION',
      'S3_SERVER_1_BUCKET',
      'S3_SERVER_1_ACCESS_KEY',
      'S3_SERVER_1_SECRET_KEY',
      'COPIES',
    ])
  })

  it.each([
    ['/mnt/disk', {}],
    ['file://host/disk', {}],
    ['', { S3_SERVER_1_STORAGE_LIMIT_GB: '5' }],
  ])('is asked for no keys where %j may be a directory', (endpoint, more) => {
    expect(problems({ S3_SERVER_1_ENDPOINT: endpoint, ...more })).toHaveLength(1)
  })

  it('is an S3 server where it has a bucket', () => {
    expect(problems({ S3_SERVER_1_BUCKET: 'backups' })).toHaveLength(4)
  })
})

it('reports everything at once', () => {
  const error = configInvalid(
    '/etc/spillway/.env',
    parse({ ZSTD_LEVEL: '99', COPIES: 'x', SOURCE_1_NAME: 'a' }, { envFileDir: '/etc' }).problems,
  )
  expect(error.code).toBe('CONFIG_INVALID')
  expect(error.message.split('\n')).toEqual([
    '3 problems in /etc/spillway/.env',
    'COPIES="x" must be a whole number from 1 to 100',
    'ZSTD_LEVEL="99" must be a whole number from 1 to 19',
    expect.stringMatching(/^SOURCE_1_PATH is missing/),
  ])
})

function config(env: Record<string, string>): Config {
  const { config: found, problems: wrong } = parse(env, {
    envFileDir: '/etc/spillway',
    hostName: 'web 1.example.',
  })
  if (found === undefined) throw new Error(wrong.map(formatProblem).join('\n'))
  return found
}

function problems(env: Record<string, string>): string[] {
  return parse(env, { envFileDir: '/etc/spillway', hostName: 'web1' }).problems.map(formatProblem)
}
