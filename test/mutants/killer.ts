// A test that finds a mutant: which tests of a run are meant, and whether it was an assertion of theirs that failed.
// A mutant that does not build, a test that is not found, a timeout or a stray error have found nothing.

/**
 * The title of a test with those of the blocks around it, as in the table of faults: 'a run > tells %s', or one case of
 * these: 'a run > tells its name'.
 */
export type Killer = { readonly file: string; readonly title: string }

/** One test, as vitest's JSON reporter tells of it. */
export type TestResult = {
  /** Below test/. */
  readonly file: string
  /** Of the blocks around it, and its own. */
  readonly titles: readonly string[]
  readonly status: string
  readonly failureMessages: readonly string[]
}

const TAG = '(?: \\[F[^\\]]*\\])?'

/** `separator` between the titles of blocks: vitest's own `-t` sees a blank. */
export function patternOf({ title }: Pick<Killer, 'title'>, separator = ' '): string {
  const filled = title
    .split(/(%%|%[sdifjo#$]|\$\{[^}]*\}|\$[a-z.]+)/i)
    .map((text, at) => (at % 2 === 1 ? '.*' : text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')))
    .join('')
  const titles = filled.split(' > ').map((each) => each + TAG)
  return `^${titles.join(separator)}$`
}

export function testsOf(killer: Killer, results: readonly TestResult[]): readonly TestResult[] {
  const pattern = new RegExp(patternOf(killer, ' > '), 's')
  return results.filter(
    ({ file, titles }) => file === killer.file && pattern.test(titles.join(' > ')),
  )
}

/**
 * Of vitest's expect, of a property of fast-check, or a failure of the product where a test wants work to be done. Not an assertion of the product:
 * that finds a bug of ours, and nothing for a user.
 */
const ASSERTION =
  /^(?:AssertionError: (?:.*: )?expected|(?:Assertion)?Error: (?:.*: )?promise (?:resolved|rejected)|Error: Property failed|SpillwayError: )/s

/** undefined: an assertion of it failed. */
export function whyNotKilled(killer: Killer, results: readonly TestResult[]): string | undefined {
  const tests = testsOf(killer, results)
  const ran = tests.filter(({ status }) => status === 'passed' || status === 'failed')
  const where = `${killer.file} > ${killer.title}`
  if (ran.length === 0) return `no test ran: ${where}`
  const failures = ran.flatMap(({ failureMessages }) => failureMessages)
  if (failures.some((message) => ASSERTION.test(message))) return undefined
  if (failures.length === 0) return `survived: ${where}`
  return `failed, and not by an assertion: ${where}: ${failures[0]!.split('\n')[0]}`
}

/** undefined: it runs, and all of it passes, as it must where nothing was changed. */
export function whyNotSound(killer: Killer, results: readonly TestResult[]): string | undefined {
  const tests = testsOf(killer, results)
  const where = `${killer.file} > ${killer.title}`
  const failed = tests.find(({ status }) => status === 'failed')
  if (failed !== undefined)
    return `fails without a mutant: ${where}: ${failed.failureMessages[0] ?? ''}`
  return tests.some(({ status }) => status === 'passed') ? undefined : `no test ran: ${where}`
}
