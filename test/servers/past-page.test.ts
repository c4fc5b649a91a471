// The page of a host with two months behind it: several sources, one of which failed last night, and a server
// that fills up. What one opens the page for.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addNights } from '../support/past-nights.ts'
import type { PastNight } from '../support/past-nights.ts'
import { Browser } from '../support/browser.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const DAY_MS = 86_400_000
const SOURCES = ['docs', 'photos', 'shop']

let world: World
let daemon: TestDaemon
let browser: Browser

beforeAll(async () => {
  world = await World.make([
    { limitGb: 0.06, entry: { LABEL: 'Attic' } },
    { limitGb: 0.2, entry: { LABEL: 'Cellar' } },
    { limitGb: 0.1, entry: { LABEL: 'Abroad', ENABLED: 'false' } },
  ])
  for (const [index, name] of SOURCES.entries()) {
    const folder = join(world.folder, name)
    await mkdir(folder)
    await writeFile(join(folder, 'a.txt'), name)
    world.env[`SOURCE_${index + 1}_NAME`] = name
    world.env[`SOURCE_${index + 1}_PATH`] = folder
  }
  world.env['KEEP_DAILY'] = '40'
  await addNights(world, nights())
  daemon = await TestDaemon.start(world)
  browser = await Browser.start()
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await daemon?.stop()
  await world?.close()
})

function nights(): readonly PastNight[] {
  // An hour ago, so that what did not fail is not late.
  const last = Date.now() - 3_600_000
  return Array.from({ length: 60 }, (_, back) => 59 - back).flatMap((back) =>
    SOURCES.map((source, index): PastNight => ({
      ...{ at: new Date(last - back * DAY_MS + index * 60_000).toISOString(), source },
      ...{ bytes: 150_000 + (60 - back) * 4_000 * (index + 1), servers: back < 20 ? [2] : [1] },
      warningCount: source === 'photos' && back === 0 ? 2 : 0,
      isFailed: source === 'shop' && back < 2,
      isLocal: source === 'docs' && back === 0,
    })),
  )
}

it('shows what is wrong first, and two months at a glance', { timeout: 240_000 }, async () => {
  const { page } = browser
  await page.goto(daemon.url)
  await page.getByRole('textbox', { name: 'Token' }).fill(daemon.tokens.admin)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText(/1 source has had no good archive for 4[89] hours/).waitFor()
  await page.locator('.chart').waitFor()
  await browser.look('40-past-overview')
  await page.goto(`${daemon.url}#/archives`)
  await page.getByText('50 archives shown').waitFor()
  await page.getByRole('button', { name: 'Show more' }).click()
  await page.getByText('150 archives shown').waitFor()
  await page.getByLabel('Source').selectOption('shop')
  await page.getByText('50 archives shown').waitFor()
  await page.getByLabel('Failed and deleted ones, too').check()
  await page.getByText('failed').first().waitFor()
  await browser.look('41-past-archives')
  await page.goto(`${daemon.url}#/settings/retention`)
  await page.getByText(/deleted by the next run/).waitFor()
  await browser.look('42-past-retention')
  expect(browser.violations).toEqual([])
  expect(browser.complaints).toEqual([])
  expect(browser.refusals).toEqual([])
})
