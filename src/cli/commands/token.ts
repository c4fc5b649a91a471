// spillway token: who may use the HTTP API, and how far.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { formatUtc, printTable } from '../output.ts'
import { oneLine } from '../text.ts'
import { noSuchToken, SCOPES } from '../../domain/token.ts'
import type { Scope, Token } from '../../domain/token.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { Io } from '../command.ts'
import type { Tokens } from '../../state/tokens.ts'
import type { Services } from '../../operations/services.ts'

export const tokenCommand = defineCommand({
  ...COMMAND_TITLES.token,
  details: [
    '"create NAME" prints a new token, alone and only this once; "list" says which there are; "revoke NAME" ends ' +
      'one at once. Each scope holds those before it: read (see everything but secrets), run (archive and ' +
      'verify), restore (into RESTORE_ROOTS), admin (delete, change settings).',
  ],
  // A token is what the first settings are made with over HTTP.
  needsNoSettings: true,
  flags: {
    scope: {
      type: 'string',
      placeholder: SCOPES.join('|'),
      help: 'with create: what it may do (read)',
    },
    json: JSON_FLAG,
  },
  examples: [
    'spillway token create grafana',
    'spillway token create page --scope=admin',
    'spillway token revoke grafana',
  ],

  async run(flags, [what = '', name], io: Io<Pick<Services, 'config' | 'openState'>>) {
    if (flags.scope !== undefined && what !== 'create') throw usage('--scope goes with create')
    const work = workOf(what, name, flags)
    const { config, openState } = await io.services()
    // Looking makes nothing: without settings that would be a new folder wherever somebody stands.
    if (what !== 'create' && !(await isKept(config.dataDir))) {
      if (what === 'revoke') throw noSuchToken(nameOf(name))
      printTokens(io, [], flags.json)
      return 0
    }
    if (config.envFile === undefined && config.servers.length === 0)
      io.printError(`there are no settings yet: tokens are kept in ${oneLine(config.dataDir)}`)
    const state = await openState()
    try {
      work(io, state.tokens)
      return 0
    } finally {
      state.close()
    }
  },
})

/** Loaded when it is asked: it brings SQLite with it. */
async function isKept(dataDir: string): Promise<boolean> {
  const { hasStateFile } = await import('../../state/state-file.ts')
  return hasStateFile(dataDir)
}

/** All that can be wrong with what was typed is told before anything is opened. */
function workOf(
  what: string,
  name: string | undefined,
  { scope, json }: { readonly scope: string | undefined; readonly json: boolean },
): (io: Io<unknown>, tokens: Tokens) => void {
  if (what === 'list' && name === undefined)
    return (io, tokens) => printTokens(io, tokens.all(), json)
  if (what === 'create') {
    const [given, allowed] = [nameOf(name), scopeOf(scope)]
    return (io, tokens) => create(io, tokens, given, allowed, json)
  }
  if (what === 'revoke') {
    const given = nameOf(name)
    return (io, tokens) => {
      tokens.revoke(given)
      if (json) io.printJson({ revoked: given })
      else io.printError(`${given} is revoked`)
    }
  }
  throw usage(`"${what}" is none of create NAME, list, revoke NAME`)
}

function create(
  io: Io<unknown>,
  tokens: Tokens,
  name: string,
  scope: Scope,
  isJson: boolean,
): void {
  const token = tokens.create(name, scope, io.now())
  if (isJson) io.printJson({ name, scope, token })
  else io.print(token)
  if (io.err.isTerminal)
    io.printError('Keep it: only its hash is stored, and it is not shown again.')
}

function printTokens(io: Io<unknown>, all: readonly Token[], isJson: boolean): void {
  if (isJson) {
    io.printJson({
      tokens: all.map(({ name, prefix, scope, createdAt, lastUsedAt }) => ({
        ...{ name, prefix, scope, createdAt: createdAt.toISOString() },
        lastUsedAt: lastUsedAt?.toISOString() ?? null,
      })),
    })
    return
  }
  if (all.length === 0) {
    io.printError('no tokens: make one with "spillway token create NAME --scope=admin"')
    return
  }
  printTable(io, {
    columns: [
      { title: 'NAME', widthMin: 12 },
      { title: 'SCOPE' },
      { title: 'BEGINS WITH' },
      { title: 'CREATED (UTC)', leavesAs: 1 },
      { title: 'LAST USED (UTC)', leavesAs: 2 },
    ],
    rows: all.map(({ name, prefix, scope, createdAt, lastUsedAt }) => [
      ...[name, scope, prefix, formatUtc(createdAt)],
      lastUsedAt === undefined ? 'never' : formatUtc(lastUsedAt),
    ]),
  })
}

function nameOf(name: string | undefined): string {
  if (name !== undefined && /^[A-Za-z0-9._@-]{1,64}$/.test(name)) return name
  throw usage('a token needs a name of letters, digits, ".", "_", "@" and "-"')
}

function scopeOf(text: string | undefined): Scope {
  const scope = SCOPES.find((each) => each === (text ?? 'read'))
  if (scope !== undefined) return scope
  throw usage(`--scope is one of ${SCOPES.join(', ')}, got "${text ?? ''}"`)
}

function usage(reason: string): SpillwayError {
  return new SpillwayError('USAGE', `token: ${reason}`, { hint: 'see: spillway token --help' })
}
