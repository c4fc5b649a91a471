// The programs that are compared, and the commands that they are given: what their users would type, at their defaults.
//
// Commands are constant texts for bash; what differs from run to run stands in variables: SOURCE (the folder), TARGET (an
// empty folder), MEMBER (a path below SOURCE), and what each contender sets below. Secrets are in variables or files only.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from './server.ts'
import type { ContenderRecord } from './results.ts'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')

export type Contender = ContenderRecord & {
  /** Programs that must be there. */
  readonly needs: readonly string[]
  readonly variables: (at: Place) => Readonly<Record<string, string>>
  /** Before each archive, and not measured: an empty repository, settings. */
  readonly prepare?: (at: Place, env: NodeJS.ProcessEnv) => void
  /** Its archive is a folder here, below `at.folder`; else it lies on the server. */
  readonly localRepository?: string
}

function spillway(verifyPack: boolean): Contender {
  const run = (words: string) => `"$NODE" "$SPILLWAY" ${words} --config "$STATE/spillway.env"`
  const reading = {
    restore: run('restore latest:source --to "$TARGET"'),
    'one-file': run('restore latest:source "$MEMBER" --to "$TARGET"'),
    verify: run('verify --deep'),
  }
  return {
    id: verifyPack ? 'spillway' : 'spillway-unchecked',
    name: verifyPack ? 'Spillway' : 'Spillway, VERIFY_PACK=false',
    ...{ role: 'ours', hasRandomAccess: true, needs: [] },
    // What is read back later is the same.
    commands: { archive: run('run'), ...(verifyPack ? reading : {}) },
    variables: ({ folder }) => ({ NODE: process.execPath, SPILLWAY: PROGRAM, STATE: folder }),
    prepare: (at) => writeEnv(at, verifyPack),
  }
}

function writeEnv({ folder, source, server, prefix }: Place, verifyPack: boolean): void {
  const lines = [
    'SERVER_ID=bench',
    `DATA_DIR=${join(folder, 'data')}`,
    'SOURCE_1_NAME=source',
    `SOURCE_1_PATH=${source}`,
    // The default is not written down: then it is the default that is measured.
    ...(verifyPack ? [] : ['VERIFY_PACK=false']),
    `S3_SERVER_1_ENDPOINT=${server.endpoint}`,
    `S3_SERVER_1_REGION=${server.region}`,
    `S3_SERVER_1_BUCKET=${server.bucket}`,
    `S3_SERVER_1_PREFIX=${prefix}`,
    `S3_SERVER_1_ACCESS_KEY=${server.accessKey}`,
    `S3_SERVER_1_SECRET_KEY=${server.secretKey}`,
    'S3_SERVER_1_STORAGE_LIMIT_GB=10000',
  ]
  writeFileSync(join(folder, 'spillway.env'), lines.join('\n') + '\n', { mode: 0o600 })
}

// As a user's pipeline does it: ACLs and extended attributes are left out, which is less than the others keep.
const PACK = 'tar -C "$SOURCE" -cf - . | zstd -q -T0'
const UNPACK = 'zstd -q -dc | tar -C "$TARGET" -xf -'

function pipeline(input: {
  readonly id: string
  readonly name: string
  readonly needs: string
  readonly put: string
  readonly get: string
  readonly variables: Contender['variables']
}): Contender {
  const { id, name, needs, put, get, variables } = input
  return {
    ...{ id, name, role: 'peer', hasRandomAccess: false },
    needs: ['tar', 'zstd', needs],
    commands: {
      archive: `${PACK} | ${put}`,
      restore: `${get} | ${UNPACK}`,
      // tar names its members as it was given them: `./path`. It reads on behind the member, since there might be another one.
      'one-file': `${get} | ${UNPACK} "./$MEMBER"`,
      verify: `${get} | zstd -q -t`,
    },
    variables,
  }
}

function awsVariables({ server }: Place) {
  return {
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_DEFAULT_REGION: server.region,
    // Where nobody answers, asking for roles of a virtual machine costs seconds.
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

const RCLONE = pipeline({
  id: 'rclone',
  name: 'tar, zstd, rclone',
  needs: 'rclone',
  put: 'rclone rcat "S:$OBJECT"',
  get: 'rclone cat "S:$OBJECT"',
  variables: (at) => ({
    // An empty file of settings: one that is missing is a notice on every run.
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_S_TYPE: 's3',
    RCLONE_CONFIG_S_PROVIDER: 'Other',
    RCLONE_CONFIG_S_ENDPOINT: at.server.endpoint,
    RCLONE_CONFIG_S_REGION: at.server.region,
    RCLONE_CONFIG_S_ACCESS_KEY_ID: at.server.accessKey,
    RCLONE_CONFIG_S_SECRET_ACCESS_KEY: at.server.secretKey,
    OBJECT: `${at.server.bucket}/${at.prefix}/archive.tar.zst`,
  }),
})

const AWS = pipeline({
  id: 'aws',
  name: 'tar, zstd, aws s3 cp',
  needs: 'aws',
  put: 'aws --endpoint-url "$ENDPOINT" s3 cp --quiet - "s3://$OBJECT"',
  get: 'aws --endpoint-url "$ENDPOINT" s3 cp --quiet "s3://$OBJECT" -',
  variables: (at) => ({
    ...awsVariables(at),
    ENDPOINT: at.server.endpoint,
    OBJECT: `${at.server.bucket}/${at.prefix}/archive.tar.zst`,
  }),
})

const RESTIC: Contender = {
  id: 'restic',
  name: 'restic',
  role: 'peer',
  hasRandomAccess: true,
  needs: ['restic'],
  commands: {
    archive: 'cd "$SOURCE" && restic backup --quiet .',
    restore: 'restic restore latest --quiet --target "$TARGET"',
    'one-file': 'restic restore latest --quiet --include "/$MEMBER" --target "$TARGET"',
    verify: 'restic check --quiet --read-data',
  },
  variables: (at) => ({
    ...awsVariables(at),
    RESTIC_REPOSITORY: `s3:${at.server.endpoint}/${at.server.bucket}/${at.prefix}`,
    RESTIC_PASSWORD: 'of the benchmark',
    RESTIC_CACHE_DIR: join(at.folder, 'cache'),
  }),
  // Version 2, which compresses, is the default since restic 0.15; older ones would send everything as it is.
  prepare: (_at, env) =>
    void execFileSync('restic', ['init', '--quiet', '--repository-version=2'], { env }),
}

// Knows no S3: on the disk of this machine, as its users have it, so it is shown and no measure for the others.
const BORG: Contender = {
  id: 'borg',
  name: 'borg, to a local folder',
  role: 'shown',
  hasRandomAccess: true,
  needs: ['borg'],
  commands: {
    archive: 'cd "$SOURCE" && borg create ::archive .',
    restore: 'cd "$TARGET" && borg extract ::archive',
    'one-file': 'cd "$TARGET" && borg extract ::archive "$MEMBER"',
    verify: 'borg check --verify-data',
  },
  variables: ({ folder }) => ({
    BORG_REPO: join(folder, 'repository'),
    BORG_BASE_DIR: join(folder, 'base'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  }),
  prepare: ({ folder }, env) => {
    mkdirSync(join(folder, 'base'))
    // There is no default; without is what Spillway does, and the least work.
    execFileSync('borg', ['init', '--encryption=none'], { env, stdio: 'pipe' })
  },
  localRepository: 'repository',
}

export const CONTENDERS: readonly Contender[] = [
  spillway(true),
  spillway(false),
  RCLONE,
  AWS,
  RESTIC,
  BORG,
]
