import { execFileSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

let server: PostgresServer
let world: World
beforeAll(async () => {
  server = await PostgresServer.start()
  world = await World.make([])
}, 60_000)
afterAll(async () => {
  await server.stop()
  await world.close()
})

it('works', async () => {
  await server.sql(`create database "odd/na me'=x"`)
  await server.sql(
    "create table t (a int); insert into t select generate_series(1,100000); select lo_from_bytea(0, repeat('x', 100000)::bytea)",
    "odd/na me'=x",
  )
  await mkdir(join(world.folder, 'disk'))
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${join(world.folder, 'disk')}`
  delete world.env['SOURCE_1_PATH']
  world.env['SOURCE_1_POSTGRES'] = server.url()
  world.env['SOURCE_1_PASSWORD'] = server.password
  const config = ['--config', await world.writeEnv()]
  const plan = await spillway(['run', '--dry-run', ...config])
  console.log(plan.out.toString(), plan.err)
  const ran = await spillway(['run', '--json', ...config])
  console.log(ran.out.toString(), ran.err)
  const report = JSON.parse(ran.out.toString()) as RunReport
  const archive = join(world.folder, 'disk', report.archives[0]!.key)
  expect(ran.exit).toBe(0)
  execFileSync('tar', ['--zstd', '-xf', archive, '-C', world.folder])
  console.log(await readFile(join(world.folder, 'spillway-database.json'), 'utf8'))
}, 60_000)
