// Mutants of who gets in over HTTP, and what may be done there.

import type { Mutant } from './mutant.ts'

export const ATTACKING: readonly Mutant[] = [
  {
    name: 'any-token-may-all',
    loses: 'whoever may read may restore, and change settings',
    edits: [
      {
        file: 'domain/token.ts',
        find: 'return SCOPES.indexOf(has) >= SCOPES.indexOf(needed)',
        replace: 'return SCOPES.indexOf(has) >= 0 && needed !== undefined',
      },
    ],
    killedBy: [{ file: 'daemon/gate.test.ts', title: 'a token > for %s may not %s %s' }],
  },
  {
    name: 'no-token-needed',
    loses: 'everything that the API can do, to everybody',
    edits: [
      {
        file: 'daemon/http-server.ts',
        find: 'if (passed.refused !== undefined) return passed.refused\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'without a right token > %s tells nothing, whatever the method',
      },
    ],
  },
  {
    name: 'token-outlives-its-end',
    loses: 'a token that was revoked still opens everything',
    edits: [
      {
        file: 'state/tokens.ts',
        find: "prepare('delete from tokens where name = ?').run(name)",
        replace: "prepare('update tokens set last_used_at = null where name = ?').run(name)",
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'a token > is printed alone, kept as a hash only, and worth nothing once revoked',
      },
    ],
  },
  {
    name: 'token-kept-as-it-is',
    loses: 'whoever reads the state file has all tokens',
    edits: [
      {
        file: 'state/tokens.ts',
        find: "return createHash('sha256').update(secret).digest()",
        replace: 'void createHash\n  return Buffer.from(secret)',
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'a token > is printed alone, kept as a hash only, and worth nothing once revoked',
      },
    ],
  },
  {
    name: 'any-host-name',
    loses: 'a page whose name is bound anew reaches the daemon of whoever opens it (DNS rebinding)',
    edits: [
      {
        file: 'daemon/gate.ts',
        find: 'if (!hosts.has(host))',
        replace: "if (host === '')",
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'requests that no client of ours sends > with %s in Host get nowhere',
      },
    ],
  },
  {
    name: 'any-origin',
    loses: 'forms of other web sites are taken for those of our page',
    edits: [
      {
        file: 'daemon/gate.ts',
        find: 'if (origin !== undefined && !isOwnOrigin(origin, hosts))',
        replace: 'if (origin !== undefined && !isOwnOrigin(origin, hosts) && hosts.size === 0)',
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'requests that no client of ours sends > of another web site (%s: %s) are refused',
      },
    ],
  },
  {
    name: 'body-of-any-type',
    loses: 'a form of another site, which needs no permission of the browser, starts a run',
    edits: [
      {
        file: 'daemon/read-request.ts',
        find: "if (!/^application\\/json *(?:; *charset=utf-8 *)?$/i.test(request.headers['content-type'] ?? ''))\n    return problem(415, 'the body must be application/json')\n",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'daemon/gate.test.ts',
        title: 'requests that no client of ours sends > to start a run with %s start none',
      },
    ],
  },
  {
    name: 'root-by-its-first-letters',
    loses: 'a restore over HTTP goes into /srv/restored-not-yours, where /srv/restored is allowed',
    edits: [
      {
        file: 'lib/real-place.ts',
        find: "return way !== '' && way !== '..' && !way.startsWith('../') && !isAbsolute(way)",
        replace: 'return path.startsWith(folder) && way !== undefined && isAbsolute(path)',
      },
    ],
    killedBy: [
      {
        file: 'daemon/queue.test.ts',
        title: 'a restore > gives back what was archived, below RESTORE_ROOTS and nowhere else',
      },
    ],
  },
  {
    name: 'refused-requests-not-noted',
    loses: 'who tried tokens for a night leaves no trace',
    edits: [
      {
        file: 'daemon/http-server.ts',
        find: 'if (isRead && !REFUSED.includes(status)) return\n',
        replace: 'if (isRead || REFUSED.includes(status)) return\n',
      },
    ],
    killedBy: [
      {
        file: 'daemon/insight.test.ts',
        title: 'the audit > tells who changed what and who was refused, and of no reading',
      },
    ],
  },
  {
    name: 'ticket-used-twice',
    loses: 'an address in a log, or in the history of a browser, gives the archive again',
    edits: [
      {
        file: 'daemon/downloads.ts',
        find: '    this.#tickets.delete(hash)\n    if (found === undefined',
        replace: '    if (found === undefined',
      },
    ],
    killedBy: [
      {
        file: 'daemon/downloads.test.ts',
        title: 'a download > needs a ticket that is whole, new, and was given to who may restore',
      },
    ],
  },
]
