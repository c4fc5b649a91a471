// Figures and names as people read them. 1 GB = 10^9 bytes, as providers bill; times are those of whoever
// looks, and their time zone is said where it matters.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** `0 B`, `1.5 kB`, `12.3 GB`: three figures are what an eye takes in. */
export function sizeText(bytes: number): string {
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

export function rateText(bytesPerSecond: number): string {
  return `${sizeText(bytesPerSecond)}/s`
}

/** `0.4 s`, `59 s`, `3 min 20 s`, `2 h 05 min`. */
export function durationText(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(whole / 60)
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

export function countText(count: number): string {
  return count.toLocaleString('en')
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`
}

export function percentText(share: number): string {
  const percent = share * 100
  return `${percent > 0 && percent < 1 ? '< 1' : Math.round(percent)} %`
}

const MINUTE_MS = 60_000

/** `5 minutes ago`, `in 3 hours`, `yesterday`. */
export function agoText(then: Date, now: Date): string {
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  const minutes = Math.round((then.getTime() - now.getTime()) / MINUTE_MS)
  if (Math.abs(minutes) < 1) return 'just now'
  if (Math.abs(minutes) < 90) return format.format(minutes, 'minute')
  const hours = Math.round(minutes / 60)
  if (Math.abs(hours) < 36) return format.format(hours, 'hour')
  const days = Math.round(hours / 24)
  if (Math.abs(days) < 60) return format.format(days, 'day')
  return format.format(Math.round(days / 30.4), 'month')
}

/** `90 minutes`, `30 hours`, `3 days`: counted as `spillway check` does, and never more than it is. */
export function spanText(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / MINUTE_MS))
  if (minutes < 120) return plural(minutes, 'minute')
  const hours = Math.floor(minutes / 60)
  return hours < 72 ? plural(hours, 'hour') : plural(Math.floor(hours / 24), 'day')
}

/** `Sat, 21 Nov 2026, 23:27:09 (Europe/Paris)`. */
export function exactText(then: Date): string {
  const zone = new Intl.DateTimeFormat('en').resolvedOptions().timeZone
  return `${timeText(then)} (${zone})`
}

/** `21 Nov 2026, 23:27`. */
export function timeText(then: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' }).format(then)
}

// What would hide, reorder or break text on the screen: controls, marks of direction, zero widths, halves of
// characters. Line breaks and tabs are shown as such only in names.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Harmless, and nothing is hidden: `a\nb`, `\u{202e}`. */
export function visible(text: string, keepsLines = false): string {
  return text.replace(HIDDEN, (character) => {
    if (keepsLines && (character === '\n' || character === '\t')) return character
    const hex = (character.codePointAt(0) ?? 0).toString(16)
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return hex.length > 2 ? `\\u{${hex}}` : `\\x${hex.padStart(2, '0')}`
  })
}

/** The first letter large: messages of the daemon begin with a small one. Names and codes stay as they are. */
export function sentence(text: string): string {
  if (!/^\p{Ll}[\p{Ll}'’]*(?:[ ,.;:]|$)/u.test(text)) return text
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** A path as text that the API takes back: bytes that are no UTF-8 become `\xNN`, and no sign is a wildcard. */
export function pathText(file: { readonly path: string; readonly pathBytes?: string }): string {
  if (file.pathBytes === undefined) return file.path
  const plain = /[\w ./,;:@+=~()#%&'-]/
  return [...atob(file.pathBytes)]
    .map((byte) =>
      plain.test(byte) ? byte : `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
    .join('')
}
