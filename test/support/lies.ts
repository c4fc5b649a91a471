// Lies that any dump tool can tell, as scripts of a shell in its place: `real "$@"` is the honest tool.

export type Lie = {
  readonly script: string
  /** What the report says of it. */
  readonly says: RegExp
  /** Instead of SOURCE_DATABASE_FAILED. */
  readonly code?: string
}

/** Of a tool that dumps the database "shop". */
export function commonLies(tool: string): readonly [what: string, lie: Lie][] {
  return [
    [
      'exits with 0 and writes nothing',
      { script: 'exit 0', says: /wrote nothing/, code: 'SOURCE_EMPTY' },
    ],
    [
      'closes its output and exits with 1 two seconds later',
      {
        script: 'real "$@"; exec >&-; sleep 2; echo "lost the connection" >&2; exit 1',
        says: /exit code 1; it said: lost the connection$/,
      },
    ],
    [
      'floods its standard error',
      {
        script: 'head -c 100000000 /dev/zero | tr "\\0" x >&2; echo " the cause" >&2; exit 3',
        says: /exit code 3; it said: x+\[\.\.\.\]x+ the cause$/,
      },
    ],
    [
      'asks for a password',
      {
        script: 'set -e; read -r -p Password: answer </dev/tty; real "$@"',
        says: new RegExp(`shop: ${tool} ended with exit code 1; it said: .*/dev/tty`),
      },
    ],
    [
      'needs a pager',
      {
        script:
          'real "$@"; read -r key </dev/tty 2>/dev/null || { echo "no terminal" >&2; exit 4; }',
        says: /exit code 4; it said: .*no terminal/,
      },
    ],
  ]
}
