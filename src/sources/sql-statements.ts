// Cuts SQL that a dump tool wrote of roles and databases into statements. They go on to psql, which runs a
// program of the machine at each `\!` that it finds outside of quotes, and an archive may have been in
// foreign hands: what is not surely read by psql as it is read here is refused as a whole.
//
// Those tools write no bodies of functions, no dollar quotes, no comments in /* */, no variables of psql; quotes
// in a text are doubled, and a backslash in an E'' text is. Lines for psql itself (`\restrict`) are left out.

const TOKEN = new RegExp(
  [
    // What \s also means is for PostgreSQL a part of a name.
    String.raw`(?<blank>[ \t\n\r\f\v]+|--[^\n\r]*|(?<![^\n])\\(?:un)?restrict [A-Za-z0-9]+(?![^\n]))`,
    // With its backslashes in pairs an E'' text ends in the same place whoever takes it for a plain one.
    String.raw`(?<text>'[^']*(?:''[^']*)*'|[Ee]'[^'\\]*(?:(?:\\\\|'')[^'\\]*)*')`,
    String.raw`(?<word>"[^"]*(?:""[^"]*)*"|[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*|\d+)`,
    String.raw`(?<end>;)`,
    String.raw`[(),.=*+[\]-]`,
  ].join('|'),
  'uy',
)

/** undefined: no dump tool wrote this, and psql must not see it. What has no semicolon is no statement. */
export function sqlStatements(text: string): readonly string[] | undefined {
  // For psql a line ends there.
  if (text.includes('\0')) return undefined
  const statements: string[] = []
  let statement = ''
  let isAtWord = false
  let isBehindText = false
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const found = TOKEN.exec(text)
    if (found === null) return undefined
    const [token] = found
    const { blank, text: quoted, word, end } = found.groups ?? {}
    // A word may be what says how the quotes are to be read, and texts in two lines are one text.
    if (quoted !== undefined && (isAtWord || isBehindText)) return undefined
    isAtWord = word !== undefined
    if (blank === undefined) isBehindText = quoted !== undefined
    if (end !== undefined) statements.push(statement.trim())
    if (end !== undefined) statement = ''
    else if (!/^(?:--|\\)/.test(token)) statement += token
  }
  return statements.filter((each) => each !== '')
}

/** A name as it stands in SQL: bare, or in quotes. */
export const SQL_NAME = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*)`

export function plainSqlName(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}

export function quotedSqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Means the same whether the server takes backslashes as they are or not (standard_conforming_strings). */
export function quotedSqlText(text: string): string {
  const doubled = text.replaceAll("'", "''")
  return text.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}
