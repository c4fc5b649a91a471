// What an env file says, without its secrets: for `configure --print` and for the wizard's menus.

import { quoteValue } from '../config/env-file.ts'
import { entryName, isDatabaseUrl, settingOf } from '../config/names.ts'
import { isSealed } from '../config/sealed-value.ts'
import type { EnvRecord } from '../config/read-settings.ts'

export const MASK = '********'

// Key ids of this length and more are not given away by their last four characters.
const KEY_ID_CHARACTERS_MIN = 8

/** `...WXYZ`: enough to tell two keys apart. */
export function maskKeyId(id: string): string {
  return id.length >= KEY_ID_CHARACTERS_MIN && !isSealed(id) ? `...${id.slice(-4)}` : MASK
}

/** The value of a variable as it may be shown. */
export function maskValue(name: string, value: string): string {
  if (value === '') return ''
  // One that could not be opened.
  if (isSealed(value)) return MASK
  const setting = settingOf(name)
  if (entryName(name)?.setting === 'ACCESS_KEY') return maskKeyId(value)
  if (setting?.isSecret === true) return MASK
  // Other programs keep their secrets in the same file.
  if (setting === undefined && /PASS|SECRET|TOKEN|KEY|CREDENTIAL|PWD|AUTH/i.test(name)) return MASK
  // It may come without its `http://`, and with a password of any characters: all before the last `@` goes.
  if (/^https?_proxy$/i.test(name)) return value.replace(/^(\w+:\/\/)?.*@/s, `$1${MASK}@`)
  // A user of a database is no secret; a password behind it is refused, and must not be seen till then.
  return value.replace(
    isDatabaseUrl(name) ? /(:\/\/)[^/\s@:]*:\S*@/g : /(:\/\/)[^/\s]+@/g,
    `$1${MASK}@`,
  )
}

/** One line per variable, in the order of the file. Comments are left out: they may hold old keys. */
export function printableLines(values: EnvRecord): string[] {
  return Object.entries(values).map(([name, value = '']) => {
    const shown = maskValue(name, value)
    return `${name}=${quoteValue(shown) ?? JSON.stringify(shown)}`
  })
}

/** Whether a value must not stand on a command line, where every user of the machine reads it. */
export function isSecretValue(name: string, value: string): boolean {
  // A key id is no secret: it travels in the clear with every request.
  return entryName(name)?.setting !== 'ACCESS_KEY' && maskValue(name, value) !== value
}
