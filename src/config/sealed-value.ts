// A secret as it may stand in an env file for everybody to read: SEALED:v1:<base64url>, AES-256-GCM under a
// key of this host. The text has no character that dotenv or a shell would act on.
//
// In it: the key's id (6 bytes), the nonce (12, random), the value, the tag (16). The variable's name and the
// id are authenticated with it, so a sealed value is worth nothing under another variable.

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

export type SealKey = {
  readonly bytes: Buffer
  /** Tells keys apart, and nothing about them. */
  readonly id: Buffer
}

export type Opened =
  | { readonly value: string }
  /** `key`: sealed with none of these keys. `name`: under another variable's name. */
  | { readonly failure: 'version' | 'damaged' | 'key' | 'name' }

const START = 'SEALED:v1:'
// What GCM is made for; a random one may repeat after 2^32 values under one key.
const NONCE_BYTES = 12
const TAG_BYTES = 16
// Two keys of one host meet by chance once in 2^48 times.
const ID_BYTES = 6
export const KEY_BYTES = 32

/** Whether a value claims to be sealed, by this or a later version. */
export function isSealed(text: string): boolean {
  return /^\s*SEALED:v\d+:/.test(text)
}

export function sealKeyOf(bytes: Buffer): SealKey {
  const id = createHmac('sha256', bytes).update('spillway seal: id of the key').digest()
  return { bytes, id: id.subarray(0, ID_BYTES) }
}

export function sealValue(variable: string, value: string, key: SealKey): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce)
  cipher.setAAD(aadOf(variable, key.id))
  const body = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
  return START + Buffer.concat([key.id, nonce, body, cipher.getAuthTag()]).toString('base64url')
}

export function openValue(variable: string, text: string, keys: readonly SealKey[]): Opened {
  const sealed = text.trim()
  if (!sealed.startsWith(START)) return { failure: 'version' }
  const bytes = bytesOf(sealed.slice(START.length))
  if (bytes === undefined) return { failure: 'damaged' }
  const key = keys.find(({ id }) => id.equals(bytes.subarray(0, ID_BYTES)))
  if (key === undefined) return { failure: 'key' }
  const value = decrypt(variable, bytes, key)
  return value === undefined ? { failure: 'damaged' } : { value }
}

/** Whether it was sealed with this key, as far as its text says. */
export function isSealedWith(text: string, key: SealKey): boolean {
  return bytesOf(text.trim().slice(START.length))?.subarray(0, ID_BYTES).equals(key.id) === true
}

/** There is one text for a value: bits that base64 leaves unused are not free to be changed. */
function bytesOf(base64url: string): Buffer | undefined {
  const bytes = Buffer.from(base64url, 'base64url')
  if (bytes.toString('base64url') !== base64url) return undefined
  return bytes.length < ID_BYTES + NONCE_BYTES + TAG_BYTES ? undefined : bytes
}

function decrypt(variable: string, bytes: Buffer, { bytes: key, id }: SealKey): string | undefined {
  const nonceEnd = ID_BYTES + NONCE_BYTES
  const bodyEnd = bytes.length - TAG_BYTES
  // Without this length a shorter, and so weaker, tag would be taken.
  const options = { authTagLength: TAG_BYTES }
  const nonce = bytes.subarray(ID_BYTES, nonceEnd)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, options)
  decipher.setAAD(aadOf(variable, id))
  decipher.setAuthTag(bytes.subarray(bodyEnd))
  try {
    const body = decipher.update(bytes.subarray(nonceEnd, bodyEnd))
    return Buffer.concat([body, decipher.final()]).toString('utf8')
  } catch {
    // It says no more than that these bytes are not what was sealed.
    return undefined
  }
}

function aadOf(variable: string, id: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`spillway seal v1\0${variable}\0`), id])
}
