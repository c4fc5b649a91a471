// A real Chromium that walks through the page, and notes whatever it complains about: errors of scripts, refusals
// of the page's policy, answers that were no good, and what axe finds on a screen.

import axe from 'axe-core'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { BrowserContext, Page } from 'playwright-core'

export const CHROMIUM = process.env['SPILLWAY_CHROMIUM'] ?? '/usr/bin/chromium'

// Without a network of its own: what asks the world at each start is switched off.
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
]

// For anything to appear, on a busy machine.
const PATIENCE_MS = 15_000

const LOOKS = [
  { name: '1280-light', width: 1280, height: 860, scheme: 'light' },
  { name: '1280-dark', width: 1280, height: 860, scheme: 'dark' },
  { name: '360-light', width: 360, height: 740, scheme: 'light' },
  { name: '360-dark', width: 360, height: 740, scheme: 'dark' },
] as const

// All that WCAG 2.2 asks for at A and AA, and what axe holds to be good practice.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

type AxeResult = {
  readonly violations: readonly {
    readonly id: string
    readonly help: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

export class Browser {
  readonly page: Page
  /** Scripts that failed, texts on the console, refusals by the policy. */
  readonly complaints: string[] = []
  /** `401 GET /api/session`: whoever provokes one looks for it here. */
  readonly refusals: string[] = []
  /** What axe found: screen, rule, element. */
  readonly violations: string[] = []
  readonly #context: BrowserContext
  readonly #profile: string
  readonly #pictures: string

  private constructor(context: BrowserContext, page: Page, profile: string, pictures: string) {
    this.#context = context
    this.page = page
    this.#profile = profile
    this.#pictures = pictures
    page.on('pageerror', (error) => this.complaints.push(`page error: ${error.message}`))
    page.on('console', (message) => {
      // An answer that was no good is told once, by `refusals`.
      if (message.text().startsWith('Failed to load resource')) return
      if (message.type() === 'error' || message.type() === 'warning')
        this.complaints.push(`${message.type()}: ${message.text()}`)
    })
    page.on('response', (response) => {
      if (response.status() < 400) return
      const { pathname } = new URL(response.url())
      this.refusals.push(`${response.status()} ${response.request().method()} ${pathname}`)
    })
  }

  static async start(): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'spillway-browser-'))
    const pictures = process.env['SPILLWAY_PICTURES'] ?? join(profile, 'pictures')
    await mkdir(pictures, { recursive: true })
    const context = await chromium.launchPersistentContext(join(profile, 'profile'), {
      ...{ executablePath: CHROMIUM, args: FLAGS, headless: true },
      ...{ viewport: { width: 1280, height: 860 }, locale: 'en-GB', reducedMotion: 'reduce' },
      acceptDownloads: true,
    })
    const page = context.pages()[0] ?? (await context.newPage())
    page.setDefaultTimeout(PATIENCE_MS)
    return new Browser(context, page, profile, pictures)
  }

  /** The screen as it is, in both widths and both themes: a picture of each, and what axe says of each. */
  async look(name: string): Promise<void> {
    for (const { name: look, width, height, scheme } of LOOKS) {
      await this.page.setViewportSize({ width, height })
      await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      // Drawn in the new colours.
      await this.page.evaluate(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
      )
      await this.page.screenshot({
        path: join(this.#pictures, `${name}-${look}.png`),
        fullPage: !(await this.page.locator('dialog[open]').count()),
      })
      await this.#noOverflow(`${name} ${look}`)
      await this.#axe(`${name} ${look}`)
    }
    await this.page.setViewportSize({ width: 1280, height: 860 })
    await this.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  }

  /** What axe says of a fault that somebody put there: a check that cannot fail checks nothing. */
  async findsFaults(): Promise<boolean> {
    const before = this.violations.length
    await this.page.evaluate('document.querySelector("main").append(document.createElement("img"))')
    await this.#axe('a picture without words')
    return this.violations.splice(before).some((text) => text.includes('image-alt'))
  }

  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: join(this.#pictures, `${name}.png`), fullPage: true })
  }

  async close(): Promise<void> {
    await this.#context.close()
    await rm(this.#profile, { recursive: true, force: true })
  }

  /** Nobody scrolls sideways to read. */
  async #noOverflow(where: string): Promise<void> {
    const [wide, there] = await this.page.evaluate<readonly [number, number]>(
      'const r = document.documentElement; [r.scrollWidth, r.clientWidth]',
    )
    if (wide > there) this.violations.push(`${where}: ${wide} px wide, ${there} are there`)
  }

  async #axe(where: string): Promise<void> {
    await this.page.evaluate(axe.source)
    const options = JSON.stringify({ runOnly: RULES, resultTypes: ['violations'] })
    const found = await this.page.evaluate<AxeResult>(`axe.run(document, ${options})`)
    for (const { id, help, nodes } of found.violations)
      for (const { html, failureSummary } of nodes)
        this.violations.push(`${where}: ${id} (${help}): ${html}\n${failureSummary ?? ''}`)
  }
}
