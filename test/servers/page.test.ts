// The page in a real Chromium, from the first start without servers to a restored file: what a person would do,
// and nothing beside the page does any of it. Each screen is looked at in two widths and two themes.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Browser } from '../support/browser.ts'
import { startS3Model } from '../support/s3-model.ts'
import type { S3Model } from '../support/s3-model.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const MB = 1_000_000
const HOSTILE = '<img src=x onerror=document.title=1>.txt'
/** No UTF-8, and a wildcard in every program that has them. */
const LATIN = Buffer.from('caf\xe9[1].txt', 'latin1')
const REVERSED = 'invoice\u202efdp.exe'

let world: World
let first: S3Model
let second: S3Model
let daemon: TestDaemon
let browser: Browser

beforeAll(async () => {
  world = await World.make([])
  delete world.env['SOURCE_1_NAME']
  delete world.env['SOURCE_1_PATH']
  // Slow enough to watch: 8 MB a second.
  world.env['UPLOAD_LIMIT_MBIT'] = '64'
  world.env['RESTORE_ROOTS'] = join(world.folder, 'restored')
  await mkdir(join(world.folder, 'restored'))
  world.env['SOURCE_ROOTS'] = world.folder
  first = await startS3Model({ buckets: ['backups'] })
  second = await startS3Model({ buckets: ['backups'] })
  await mkdir(join(world.source, 'letters'))
  await writeFile(join(world.source, 'letters/budget 2026.txt'), 'bread and roses\n')
  await writeFile(join(world.source, HOSTILE), 'shown, not run')
  await writeFile(join(world.source, REVERSED), 'which end is up')
  await writeFile(inFolder(world.source, LATIN), 'un café')
  await writeFile(join(world.source, 'film.bin'), randomBytes(48 * MB))
  daemon = await TestDaemon.start(world)
  browser = await Browser.start()
}, 60_000)

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await browser.picture('failed')
})

afterAll(async () => {
  await browser?.close()
  await daemon?.stop()
  await first?.close()
  await second?.close()
  await world?.close()
})

describe('a new installation, by its page alone', { timeout: 240_000 }, () => {
  it('asks for a token, and says when it is a wrong one', async () => {
    const { page } = browser
    await page.goto(daemon.url)
    await page.getByText('spillway token create me --scope=admin').waitFor()
    await browser.look('01-sign-in')
    await box('Token').fill('spw_wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This token is not known here').waitFor()
    await browser.look('02-sign-in-wrong')
    await box('Token').fill(daemon.tokens.admin)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('No servers yet: add the first one').waitFor()
    expect(browser.refusals.splice(0)).toEqual(['401 GET /api/session'])
    await browser.look('03-first-start')
  })

  it('tells of a wrong secret, tests the right one and saves it', async () => {
    const { page } = browser
    await page.getByRole('link', { name: 'Add the first server' }).click()
    await page.getByLabel('Provider').selectOption('minio')
    await browser.look('04-server-new')
    await fillServer(first, { secret: 'another-secret', label: 'Attic' })
    await page.getByRole('button', { name: 'Test connection' }).click()
    await page.getByText('It does not work yet').waitFor()
    await page.getByText(/What to do: check the secret key/).waitFor()
    await browser.look('05-server-wrong-secret')
    await box('Secret key').fill(first.keys.secretKey)
    await page.getByRole('button', { name: 'Test connection' }).click()
    await page.getByText('Everything works').waitFor()
    await browser.look('06-server-tested')
    await page.getByRole('button', { name: 'Save the server' }).click()
    await page.getByText('Nothing to archive yet: add the first source').waitFor()
    await browser.look('07-first-source')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('puts what is wrong beside its field, and the focus into it', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/settings/servers/1`)
    await box('Limit, in GB').fill('many')
    await page.getByRole('button', { name: 'Save' }).click()
    const field = box('Limit, in GB')
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
    expect(await field.evaluate('document.activeElement?.name')).toBe('STORAGE_LIMIT_GB')
    await browser.look('08-field-error')
    expect(browser.refusals.splice(0)).toEqual(['422 PATCH /api/servers/1'])
  })

  it('adds a source, and a second server', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/settings/sources/new`)
    await box('Folder').fill(world.source)
    await box('Name').fill('docs')
    await page.getByRole('button', { name: 'Test the source' }).click()
    await page.getByText('It can be read').waitFor()
    await browser.look('09-source')
    await page.getByRole('button', { name: 'Save the source' }).click()
    await page.getByText('Ready: nothing is archived yet').waitFor()
    await browser.look('10-ready')
    await page.goto(`${daemon.url}#/settings/servers/new`)
    await fillServer(second, { secret: second.keys.secretKey, label: 'Cellar' })
    await page.getByRole('button', { name: 'Save the server' }).click()
    await page.getByRole('link', { name: 'Cellar' }).waitFor()
    await browser.look('11-servers')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('reorders servers by keyboard', async () => {
    const { page } = browser
    await page.getByRole('button', { name: 'Move Cellar up' }).press('Enter')
    await expect.poll(() => page.locator('.entry .card-title').first().textContent()).toBe('Cellar')
    await page.getByRole('button', { name: 'Move Attic up' }).press('Enter')
    await expect.poll(() => page.locator('.entry .card-title').first().textContent()).toBe('Attic')
  })

  it('shows a failover while it happens', async () => {
    const { page } = browser
    // Full in the middle of the film.
    first.change({
      quota: { bytes: 20 * MB, status: 403, code: 'QuotaExceeded', at: 'after-body' },
    })
    await page.goto(`${daemon.url}#/overview`)
    await page.getByRole('button', { name: 'Run now' }).click()
    await browser.look('12-run-dialog')
    await page.getByRole('button', { name: 'Archive all sources' }).click()
    await page.getByText(/Attic is full, going on to Cellar/).waitFor({ timeout: 60_000 })
    await browser.look('13-failover')
    await page.getByText('The run ended well').waitFor({ timeout: 60_000 })
    await browser.look('14-run-ended')
    await page.goto(`${daemon.url}#/overview`)
    await page.getByText('Everything is archived').waitFor()
    await browser.look('15-overview')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('lists archives, and shows the files inside as text whatever they are called [F103]', async () => {
    const { page } = browser
    first.change({ quota: undefined })
    await daemon.ask('POST', '/api/runs', { body: {} })
    await page.goto(`${daemon.url}#/runs`)
    await expect.poll(() => page.locator('tbody .tone-good').count(), { timeout: 60_000 }).toBe(2)
    await browser.look('16-runs')
    await page.goto(`${daemon.url}#/archives`)
    await page.getByText('2 archives shown').waitFor()
    await browser.look('17-archives')
    await page.getByRole('link', { name: 'docs' }).first().click()
    await page.getByText(HOSTILE).waitFor()
    await page.getByText('invoice\\u{202e}fdp.exe').waitFor()
    await browser.look('18-archive')
    expect(await page.title()).toBe('docs · Spillway')
  })

  it('finds a file and restores it, byte for byte', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/files`)
    await browser.look('19-find')
    await page.getByRole('searchbox').fill('budget*')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('1 file found').waitFor()
    await browser.look('20-found')
    await page.getByRole('link', { name: 'letters/budget 2026.txt' }).click()
    await page.getByText('as it is now').waitFor()
    await browser.look('21-history')
    await page.getByRole('button', { name: 'Restore' }).click()
    await box('Folder').fill('by-page')
    await browser.look('22-restore-dialog')
    await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
    await page.locator('.sub .tone-good').waitFor({ timeout: 60_000 })
    await browser.look('23-restored')
    const there = join(world.folder, 'restored/by-page/letters/budget 2026.txt')
    expect(await readFile(there, 'utf8')).toBe('bread and roses\n')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('restores what is ticked, and downloads a file', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/archives`)
    await page.getByRole('link', { name: 'docs' }).first().click()
    await page.getByLabel('Restore invoice').check()
    await page.getByLabel('Restore caf\\xe9\\x5b1\\x5d.txt').check()
    await page.getByRole('button', { name: 'Restore these' }).click()
    await box('Folder').fill('ticked')
    await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
    await page.locator('.sub .tone-good').waitFor({ timeout: 60_000 })
    const there = join(world.folder, 'restored/ticked', REVERSED)
    expect(await readFile(there, 'utf8')).toBe('which end is up')
    const latin = inFolder(join(world.folder, 'restored/ticked'), LATIN)
    expect(await readFile(latin, 'utf8')).toBe('un café')
    await page.goBack()
    const started = page.waitForEvent('download')
    await page.getByRole('button', { name: `Download ${HOSTILE}` }).click()
    expect(await readFile(await (await started).path(), 'utf8')).toBe('shown, not run')
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('says what rules would delete before they are saved', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/settings/retention`)
    await page.getByText('No rule is set').waitFor()
    await box('Newest archives').fill('1')
    await page.getByText('What these rules would mean').waitFor()
    await page.getByText(/1 deleted by the next run/).waitFor()
    await browser.look('24-retention')
    await page.getByRole('button', { name: 'Save the rules' }).click()
    await page.getByText('The rules are saved').waitFor()
    expect(await readFile(world.envFile, 'utf8')).toMatch(/^KEEP_LAST=1$/m)
    expect(browser.refusals.splice(0)).toEqual([])
  })

  it('has a screen for each other setting', async () => {
    const { page } = browser
    for (const tab of ['sources', 'schedule', 'notifications', 'general', 'access']) {
      await page.goto(`${daemon.url}#/settings/${tab}`)
      await page.locator('.panel, .empty').first().waitFor()
      await browser.look(`25-settings-${tab}`)
    }
    await page.goto(`${daemon.url}#/settings/notifications/new`)
    await page.getByRole('button', { name: 'Send a test message' }).waitFor()
    await browser.look('26-notification-new')
    await page.goto(`${daemon.url}#/runs?show=jobs`)
    await page.getByText('Restore').first().waitFor()
    await browser.look('27-jobs')
    await page.goto(`${daemon.url}#/nothing`)
    await browser.look('28-nowhere')
  })

  it('shows a token of a lesser scope what it may not do, and why', async () => {
    const { page } = browser
    await page.getByRole('button', { name: 'Sign out' }).click()
    await box('Token').fill(daemon.tokens.read)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.goto(`${daemon.url}#/overview`)
    const run = page.getByRole('button', { name: 'Run now' })
    await run.waitFor()
    expect(await run.getAttribute('aria-disabled')).toBe('true')
    expect(await run.getAttribute('title')).toMatch(/may read; this needs one with the scope run/)
    await page.goto(`${daemon.url}#/settings/servers`)
    await page.getByText('You can look, but change nothing here').waitFor()
    await browser.look('29-read-only')
  })

  it('says that the daemon is away, and goes on when it is back', async () => {
    const { page } = browser
    await page.goto(`${daemon.url}#/overview`)
    await page.locator('.verdict').waitFor()
    await daemon.stop()
    await page.getByText('The daemon does not answer').waitFor({ timeout: 30_000 })
    await browser.look('30-away')
    const env = { LISTEN: `127.0.0.1:${daemon.port}` }
    daemon = await TestDaemon.start(world, daemon.tokens, { keepsFile: true, env })
    await page.getByText('The daemon does not answer').waitFor({ state: 'hidden', timeout: 30_000 })
    browser.refusals.splice(0)
  })

  it('had no error, no refusal by its policy, and nothing for axe to find', async () => {
    expect(await browser.findsFaults()).toBe(true)
    expect(browser.violations).toEqual([])
    expect(browser.complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'))).toEqual(
      [],
    )
  })
})

function inFolder(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name])
}

/** By the beginning of its label. */
function box(label: string) {
  return browser.page.getByRole('textbox', { name: new RegExp(`^${label}`) })
}

async function fillServer(
  model: S3Model,
  { secret, label }: { readonly secret: string; readonly label: string },
): Promise<void> {
  await box('Endpoint').fill(model.endpoint)
  await box('Region').fill(model.keys.region)
  await box('Bucket').fill('backups')
  await box('Access key').fill(model.keys.accessKey)
  await box('Secret key').fill(secret)
  await box('Limit, in GB').fill('1')
  await box('Label').fill(label)
}
