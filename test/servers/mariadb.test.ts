import { execFileSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { MariaDbServer } from '../support/mariadb-server.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

let server: MariaDbServer
let world: World
beforeAll(async () => { server = await MariaDbServer.start(); world = await World.make([]) }, 60_000)
afterAll(async () => { await server.stop(); await world.close() })

it('works', async () => {
  const odd = ["odd/na me'=x", '--host=evil', 'globals', 'nl\nname', 'ünï日本', 'back`tick"s', 'a%b', 'mysql://x']
  for (const name of odd) {
    const q = '`' + name.replaceAll('`', '``') + '`'
    await server.sql(`create database ${q}`)
    await server.sql('create table t (a int primary key); insert into t values (1),(2); create table m (b int) engine=MyISAM', name)
  }
  await mkdir(join(world.folder, 'disk'))
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${join(world.folder, 'disk')}`
  delete world.env['SOURCE_1_PATH']
  world.env['SOURCE_1_MYSQL'] = server.url()
  world.env['SOURCE_1_PASSWORD'] = `'${server.password.replaceAll("'", "'")}'`
  world.env['SOURCE_1_PASSWORD'] = '`' + server.password + '`'
  const config = ['--config', await world.writeEnv()]
  const plan = await spillway(['run', '--dry-run', ...config])
  console.log(plan.out.toString(), plan.err)
  const ran = await spillway(['run', '--json', ...config])
  console.log(ran.out.toString(), ran.err)
  const report = JSON.parse(ran.out.toString()) as RunReport
  const archive = join(world.folder, 'disk', report.archives[0]!.key)
  console.log(execFileSync('tar', ['--zstd', '-tvf', archive]).toString())
  execFileSync('tar', ['--zstd', '-xf', archive, '-C', world.folder])
  console.log(await readFile(join(world.folder, 'spillway-database.json'), 'utf8'))
  expect(ran.exit).toBe(3)
}, 60_000)
