// A word of a command that somebody is told to type: quoted where a shell would read it otherwise.

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=%+@,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
