// The page where things go wrong: a new host whose every run failed, a settings file that cannot be read, and changes
// that are not saved. It must say what is wrong, and still show what it knows.

import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { addNights } from '../support/past-nights.ts'
import { Browser } from '../support/browser.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const NO_TEXT = Buffer.from('A=\xe4\n', 'latin1')

let world: World
let daemon: TestDaemon
let browser: Browser
let file: string

beforeAll(async () => {
  world = await World.make([{}])
  const at = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
  await addNights(world, [
    { at: at(27), isFailed: true },
    { at: at(3), isFailed: true },
  ])
  daemon = await TestDaemon.start(world)
  file = await readFile(world.envFile, 'utf8')
  browser = await Browser.start()
  const { page } = browser
  await page.goto(daemon.url)
  await page.getByRole('textbox', { name: 'Token' }).fill(daemon.tokens.admin)
  await page.getByRole('button', { name: 'Sign in' }).click()
}, 120_000)
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await browser.picture('troubles-failed')
})
afterAll(async () => {
  await browser?.close()
  await daemon?.stop()
  await world?.close()
})

describe('a page in trouble', { timeout: 120_000 }, () => {
  it('tells of a new host whose every run failed, and not that it is ready', async () => {
    const { page } = browser
    await page.getByText('1 source has no good archive yet').waitFor()
    await page
      .getByText(/its folder was not there/)
      .first()
      .waitFor()
    expect(await page.getByText('Ready: nothing is archived yet').count()).toBe(0)
    await browser.look('50-every-run-failed')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('shows how things stand where the settings file cannot be read', async () => {
    const { page } = browser
    await writeFile(world.envFile, NO_TEXT)
    await page.reload()
    await page.getByText(/runs fail until they are mended.*is not UTF-8 text/).waitFor()
    await page.getByRole('link', { name: 'docs' }).waitFor()
    await browser.look('51-settings-unreadable')
    expect(new Set(browser.refusals.splice(0))).toEqual(new Set(['409 GET /api/settings']))
  })

  it('says why a change was not saved, and offers to load again only where that helps', async () => {
    const { page } = browser
    await writeFile(world.envFile, file)
    await page.goto(`${daemon.url}#/settings/general`)
    await page.getByRole('textbox', { name: /^Copies/ }).fill('1')
    await writeFile(world.envFile, NO_TEXT)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Nothing was saved').waitFor()
    await page.getByText('is not UTF-8 text').waitFor()
    expect(await page.getByRole('button', { name: 'Load it again' }).count()).toBe(0)
    await browser.look('52-not-saved')
    await writeFile(world.envFile, `${file}# changed on the host\n`)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The file was changed meanwhile').waitFor()
    const loaded = page.waitForResponse((response) => response.url().endsWith('/api/settings'))
    await page.getByRole('button', { name: 'Load it again' }).click()
    await (await loaded).finished()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The settings are saved').waitFor()
    expect(await readFile(world.envFile, 'utf8')).toContain('# changed on the host\n')
    expect(browser.refusals.splice(0)).toEqual([
      '409 PATCH /api/settings',
      '409 PATCH /api/settings',
    ])
  })

  it('had no error, no refusal by its policy, and nothing for axe to find', () => {
    expect(browser.violations).toEqual([])
    expect(browser.complaints).toEqual([])
  })
})
