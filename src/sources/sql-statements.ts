// Cuts SQL that a dump tool wrote into statements: at each semicolon outside of quotes. Comments, and lines
// for the client itself (`\restrict`), are left out. Only for what such tools write of roles and
// databases: there are no bodies of functions in it, and quotes are doubled, never escaped.

const PIECE = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|^\\[^\n]*|;|[^;'"\\-]+|[\s\S]/gmu

export function sqlStatements(text: string): readonly string[] {
  const statements: string[] = []
  let statement = ''
  for (const [piece] of text.matchAll(PIECE)) {
    if (piece === ';') {
      statements.push(statement.trim())
      statement = ''
    } else if (!piece.startsWith('--') && !/^\\./.test(piece)) statement += piece
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
