// Hides secrets in any text that is about to be logged, printed or sent.
//
// Two nets, because either has holes: known secrets are found by value in the forms in which they
// travel, and what looks like a credential (an Authorization header, a signed URL, the user part
// of a URL) is hidden even if nobody told us its value.

export type Redactor = (text: string) => string

export const HIDDEN = '[hidden]'

// Shorter values would hide half of all words; no server of ours accepts such a secret.
const SECRET_CHARACTERS_MIN = 4

const LOOKS: readonly [pattern: RegExp, replacement: string][] = [
  // As a header line, an object's property or JSON. The value ends with the line or its quote.
  [
    /((?:proxy-)?authorization["']?\s*[:=]\s*)(?:"[^"\r\n]*"|'[^'\r\n]*'|[^"'\r\n]+)/gi,
    `$1${HIDDEN}`,
  ],
  [/\b(x-amz-(?:signature|security-token)["']?\s*[:=]\s*["']?)[^\s&"',;<>]+/gi, `$1${HIDDEN}`],
  [/\b(AWS4-HMAC-SHA256\s)[^\r\n"']+/g, `$1${HIDDEN}`],
  [/\b(Signature=)[0-9A-Za-z%+/=]{16,}/g, `$1${HIDDEN}`],
  // But for the word `user` alone, which stands for a name in help, examples and remedies of ours.
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?!user@[^\s@]*(?:\s|$))[^\s/@"'<>]+@/gi, `$1${HIDDEN}@`],
]

/** The returned function may be called with any text, also with text that was redacted before. */
export function createRedactor(secrets: readonly string[]): Redactor {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SECRET_CHARACTERS_MIN) continue
    for (const form of formsOf(secret)) forms.add(form)
  }
  // The longest first: a form may contain another one.
  const sorted = [...forms].sort((a, b) => b.length - a.length)
  const known = sorted.length === 0 ? undefined : new RegExp(sorted.map(patternOf).join('|'), 'g')
  return (text) => {
    const hidden = known === undefined ? text : text.replace(known, HIDDEN)
    return LOOKS.reduce((rest, [pattern, by]) => rest.replace(pattern, by), hidden)
  }
}

function formsOf(secret: string): string[] {
  const encoded = encodeURIComponent(secret)
  const forms = [
    secret,
    encoded,
    encoded.replaceAll('%20', '+'),
    JSON.stringify(secret).slice(1, -1),
    ...base64Forms(secret),
  ]
  return forms.filter((form) => form.length >= SECRET_CHARACTERS_MIN)
}

/**
 * A secret inside a longer base64 text ("user:secret") starts at any of three offsets, and its
 * first and last characters there depend on the neighbours: only the middle is sure.
 */
function base64Forms(secret: string): string[] {
  const forms: string[] = []
  const bytes = Buffer.from(secret)
  for (const lead of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64url')
    const skipped = [0, 2, 3][lead]!
    const whole = Math.floor(((lead + bytes.length) * 8) / 6)
    const middle = text.slice(skipped, whole)
    // A short middle is found in innocent text, too.
    if (middle.length < 6) continue
    forms.push(middle, middle.replaceAll('-', '+').replaceAll('_', '/'))
  }
  return forms
}

/** Percent escapes are written with small or large digits. */
function patternOf(form: string): string {
  return form
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/%[0-9A-F]{2}/g, (escape) =>
      escape.replace(/[A-F]/g, (digit) => `[${digit}${digit.toLowerCase()}]`),
    )
}
