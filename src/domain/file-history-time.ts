// A file's time in full: JavaScript's dates end at milliseconds, and file systems do not.

/** `2026-03-01T02:30:05.123456789Z`; seconds since 1970 where no calendar reaches. */
export function printableTime(time: {
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
}): string {
  const date = new Date(time.mtimeSeconds * 1_000)
  const nanos = String(time.mtimeNanos).padStart(9, '0')
  // 8.64e12 s is the last one that a Date holds; a damaged file system gives any number.
  if (Number.isNaN(date.getTime())) return `@${time.mtimeSeconds}.${nanos}`
  return date.toISOString().replace(/\.\d+Z$/, `.${nanos}Z`)
}
