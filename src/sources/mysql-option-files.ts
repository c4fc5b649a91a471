// Option files of MySQL's tools (~/.my.cnf, /etc/mysql), which count where the settings have no password: how to
// log in may stand in them, and nothing that changes what a tool does: `[mysqldump] no-data` would empty
// every dump, and `[mysql] force` would take a restore on past every error.

import { databaseFailed } from './database-failure.ts'

// How to reach the server, and what cannot matter to a tool that we run.
const HARMLESS = new Set([
  ...['host', 'port', 'socket', 'user', 'password', 'protocol', 'pipe', 'bind-address'],
  ...['connect-timeout', 'connection-timeout', 'compress', 'compression-algorithms'],
  ...['zstd-compression-level', 'default-auth', 'plugin-dir', 'secure-auth', 'login-path'],
  ...['enable-cleartext-plugin', 'get-server-public-key', 'server-public-key-path'],
  ...['default-character-set', 'character-sets-dir', 'max-allowed-packet'],
  // Only a terminal sees these.
  ...['prompt', 'auto-rehash', 'no-auto-rehash', 'skip-auto-rehash', 'disable-auto-rehash'],
])
const ABOUT_TLS = /^(?:skip-|disable-)?(?:ssl|tls)(?:-|$)/

const NAMES_SHOWN = 5

/**
 * Throws SOURCE_DATABASE_FAILED for options that are neither of a connection nor among `args`, which come after
 * them and win. `answer` is what `--print-defaults` says; it may have a password, and is never shown.
 */
export function requireHarmlessOptions(input: {
  readonly tool: string
  readonly answer: string
  readonly args: readonly string[]
  /** What the tool says of itself: a name from there is no part of a password. */
  readonly help: string
  readonly number: number
}): void {
  const { tool, answer, args, help, number } = input
  const [, options] =
    /would have been started with the following arguments:([^]*)$/.exec(answer) ?? []
  if (options === undefined)
    throw databaseFailed(
      `${tool} --print-defaults does not say what stands in its option files`,
      `is the ${tool} in PATH what it should be? With SOURCE_${number}_PASSWORD none of them is read`,
    )
  // Of an option that is there twice the last one counts, with `skip-` before it, too.
  const ours = new Set(
    args.map((arg) => nameOf(arg.slice(2))).flatMap((name) => [name, name.replace(/^skip-/, '')]),
  )
  const isKnown = (name: string): boolean =>
    help.includes(`--${name.replace(/^(?:skip|disable|enable)-/, '')}`)
  const strange = optionsIn(options).filter(
    ({ name, isLoose }) =>
      !HARMLESS.has(name) &&
      !ABOUT_TLS.test(name) &&
      !ours.has(name) &&
      !(isLoose && !isKnown(name)),
  )
  if (strange.length === 0) return
  const names = [...new Set(strange.map(({ name }) => name))]
  const shown = names.filter(isKnown).slice(0, NAMES_SHOWN)
  const others = names.length > shown.length ? [`${names.length - shown.length} others`] : []
  throw databaseFailed(
    `${tool} reads option files (~/.my.cnf, /etc/my.cnf, /etc/mysql), and what stands there would change what it does: ${[...shown, ...others].join(', ')}`,
    `leave only how to log in in what ${tool} reads there; or set SOURCE_${number}_PASSWORD: with it no such file is read`,
  )
}

type Option = { readonly name: string; readonly isLoose: boolean }

/** Values may have spaces in them: what follows on one and looks like an option is taken for one. */
function optionsIn(text: string): Option[] {
  return text
    .split(/(?:^|\s)--(?=\S)/)
    .slice(1)
    .map((option) => {
      const name = nameOf(option)
      // A tool goes on where it does not know such a one.
      const isLoose = name.startsWith('loose-')
      return { name: isLoose ? name.slice('loose-'.length) : name, isLoose }
    })
}

/** Tools take both signs. */
function nameOf(option: string): string {
  const [name = ''] = option.split(/[=\s]/)
  return name.replaceAll('_', '-')
}
