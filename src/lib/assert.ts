// For our own mistakes only: a failed assertion is a bug, exits with 1 and asks to be reported.

export function assert(claim: unknown, message: string): asserts claim {
  if (!claim) throw new AssertionError(message)
}

class AssertionError extends Error {
  override readonly name = 'AssertionError'
}
