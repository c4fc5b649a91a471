// Over HTTP: databases go into the server of a configured source, by its name alone, and are compared.

import { expect, it } from 'vitest'
import { archivedWell, PostgresPair } from '../support/postgres-pair.ts'
import { TestDaemon } from '../support/test-daemon.ts'

const ROWS = 'create table kept as select n, md5(n::text) from generate_series(1, 2000) n'
const SUM = `select count(*) || ' ' || md5(string_agg(md5, '' order by n)) from kept`

it('a database goes into the server of another source, and what is there is not overwritten', async () => {
  const pair = await PostgresPair.start()
  const { origin, target } = pair
  await origin.sql('create database shop')
  await origin.sql(ROWS, 'shop')
  const { world, ...at } = await worldOf(pair)
  const daemon = await TestDaemon.start(world)
  const into = async (settings: Readonly<Record<string, unknown>>) => {
    const body = { archive: at.archive, into: { source: 'elsewhere', ...settings } }
    const asked = await daemon.ask('POST', '/api/restores', { body })
    expect(asked.status, asked.text).toBe(202)
    const id = asked.json['id'] as string
    await daemon.follow(id)
    return (await daemon.ask('GET', `/api/jobs/${id}`)).json
  }
  try {
    expect(await into({ database: 'shop' })).toMatchObject({ state: 'done', exit: 0 })
    expect(await target.sql(SUM, 'shop')).toBe(await origin.sql(SUM, 'shop'))

    await target.sql('delete from kept where n > 5', 'shop')
    expect(await into({ database: 'shop' })).not.toMatchObject({ exit: 0 })
    expect(await target.sql('select count(*) from kept', 'shop')).toBe('5')

    const over = { database: 'shop', replaceExisting: true }
    expect(await into(over)).toMatchObject({ state: 'done', exit: 0 })
    expect(await target.sql(SUM, 'shop')).toBe(await origin.sql(SUM, 'shop'))
    expect(daemon.log.join('\n')).not.toContain(target.password)
  } finally {
    await daemon.stop()
    await world.close()
    await pair.stop()
  }
}, 180_000)

/** With an archive of the first server, and the second one as a source that was never archived. */
async function worldOf(pair: PostgresPair) {
  const at = await pair.world('shop')
  archivedWell(await at.run())
  const { world } = at
  world.env['SOURCE_2_NAME'] = 'elsewhere'
  world.env['SOURCE_2_POSTGRES'] = pair.target.url()
  world.env['SOURCE_2_PASSWORD'] = pair.target.password
  const [archive] = await world.withCatalog((catalog) => catalog.archives())
  return { world, archive: archive!.id }
}
