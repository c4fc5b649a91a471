// `npm run demo`: the main job on an empty machine, with three small servers of our own on loopback.
//
// A real folder is archived for several nights; the first server fills up, the second takes over and
// dies in the middle of an upload, the third gets the whole archive. Then the archive is restored and
// compared. The program that runs is the very `spillway` of this package, started as users start it.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeTree } from '../test/support/tree.ts'
import { startS3Model } from '../test/support/s3-model.ts'
import type { S3Model } from '../test/support/s3-model.ts'

const PACKAGE = join(import.meta.dirname, '../..')
const PROGRAM = join(import.meta.dirname, '../src/main.js')
// 44 MB of noise make archives of three parts, so that a server can die between them.
const PHOTOS = 4
const PHOTO_BYTES = 11_000_000

const work = await mkdtemp(join(tmpdir(), 'spillway-demo-'))
const servers = await Promise.all([1, 2, 3].map(() => startS3Model({ buckets: ['backups'] })))
try {
  await demo(servers)
} finally {
  await Promise.all(servers.map((server) => server.close()))
  await rm(work, { recursive: true, force: true })
}

async function demo(models: readonly S3Model[]): Promise<void> {
  const second = models[1]!
  const folder = await makeFolder()
  const envFile = await writeEnv(models, folder)
  const spillway = (...args: string[]) => show(args, envFile)

  title('Is every server reachable?')
  await spillway('self-test')
  for (const night of [1, 2, 3]) {
    title(`Night ${night}`)
    await writeFile(join(folder, `diary-${night}.txt`), `what happened on day ${night}\n`)
    await spillway('run')
  }
  title('Night 4: server 2 dies in the middle of the upload')
  await writeFile(join(folder, 'diary-4.txt'), 'the day of the accident\n')
  const died = dieMidUpload(second)
  // Exit code 3: done, with a warning about the server that failed.
  await show(['run'], envFile, 3)
  await died

  title('What is there')
  await spillway('list')

  title('Restore of the newest archive')
  const target = join(work, 'restored')
  await spillway('restore', 'latest:documents', '--to', target)
  if (describeTree(folder).join('\n') !== describeTree(target).join('\n')) {
    throw new Error('the restored tree differs from its source')
  }
  console.log('\nThe restored tree equals its source: names, content, modes, owners, times, links.')

  title('Usage')
  await spillway('status')
}

/** A folder like one at home: documents, a link, and photos that nothing can compress. */
async function makeFolder(): Promise<string> {
  const folder = join(work, 'documents')
  await mkdir(join(folder, 'photos'), { recursive: true })
  await mkdir(join(folder, 'empty folder'))
  await cp(join(PACKAGE, 'src'), join(folder, 'program'), { recursive: true })
  for (let photo = 1; photo <= PHOTOS; photo += 1) {
    await writeFile(join(folder, 'photos', `holiday-${photo}.raw`), randomBytes(PHOTO_BYTES))
  }
  return folder
}

async function writeEnv(models: readonly S3Model[], folder: string): Promise<string> {
  const limitsGb = [0.1, 0.1, 1]
  const lines = models.flatMap(({ endpoint, keys, bucket }, index) => [
    `S3_SERVER_${index + 1}_ENDPOINT=${endpoint}`,
    `S3_SERVER_${index + 1}_REGION=${keys.region}`,
    `S3_SERVER_${index + 1}_BUCKET=${bucket}`,
    `S3_SERVER_${index + 1}_ACCESS_KEY=${keys.accessKey}`,
    `S3_SERVER_${index + 1}_SECRET_KEY=${keys.secretKey}`,
    `S3_SERVER_${index + 1}_STORAGE_LIMIT_GB=${limitsGb[index]}`,
  ])
  // A bandwidth limit, so that the death of server 2 has an upload to fall into.
  lines.push('SERVER_ID=demo', `SOURCE_1_PATH=${folder}`, 'UPLOAD_LIMIT_MBIT=400')
  const path = join(work, '.env')
  await writeFile(path, lines.join('\n') + '\n', { mode: 0o600 })
  return path
}

/** Ends the server once the first part of an upload has arrived and others have not. */
async function dieMidUpload(model: S3Model): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (!model.uploads().some(({ parts }) => parts > 0)) return
      clearInterval(timer)
      resolve()
    }, 2)
  })
  await model.close()
  console.log('--- server 2 is gone ---')
}

async function show(args: readonly string[], envFile: string, expectedExit = 0): Promise<void> {
  console.log(`$ spillway ${args.join(' ')}`)
  const child = spawn(process.execPath, [PROGRAM, ...args, '--config', envFile], {
    stdio: 'inherit',
  })
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (exit !== expectedExit)
    throw new Error(`spillway ${args[0]} ended with ${exit}, not ${expectedExit}`)
}

function title(text: string): void {
  console.log(`\n=== ${text}`)
}
