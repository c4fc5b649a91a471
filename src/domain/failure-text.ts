// A failure as a line tells it, without what the line has said already.

/** `message [code]`; a message that names its code in brackets is enough. */
export function withCode(message: string, code: string | null | undefined): string {
  if (code === null || code === undefined || message.includes(`(${code})`)) return message
  return message === '' ? `[${code}]` : `${message} [${code}]`
}

/** Messages of servers begin with where the server is; a line that begins with `1: host/bucket` has that. */
export function withoutPlace(message: string, label: string): string {
  const place = `${label.replace(/^\d+: /, '')}: `
  return message.replace(place, () => '')
}
