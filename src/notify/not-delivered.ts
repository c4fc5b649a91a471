// Why a message did not reach its receiver; notifier.ts makes one of our errors of it.

export class NotDelivered extends Error {
  override readonly name = 'NotDelivered'
  readonly mayRepeat: boolean
  readonly remedy: string | undefined

  constructor(
    message: string,
    more: { readonly mayRepeat: boolean; readonly remedy?: string; readonly cause?: unknown },
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.mayRepeat = more.mayRepeat
    this.remedy = more.remedy
  }
}

/** Of a socket: its code says more than its message, which may hold an address. */
export function networkReason(error: unknown): string {
  const code = (error as { code?: unknown }).code
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was cut off',
    ENOTFOUND: 'its name is not known',
    EAI_AGAIN: 'its name could not be looked up',
    ETIMEDOUT: 'it did not answer',
    EHOSTUNREACH: 'there is no way to it',
    ENETUNREACH: 'there is no way to it',
  }
  const known = typeof code === 'string' ? reasons[code] : undefined
  if (known !== undefined) return `${known} (${String(code)})`
  // An error of several addresses has no message of its own.
  const message = error instanceof Error ? error.message : String(error)
  return message === '' ? String(code) : message
}
