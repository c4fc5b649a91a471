// Certificates for tests, written byte by byte (X.509 in DER): an authority of our own and what it signs.
// By hand, because a bare Node image has no openssl binary, and a package for it would be the largest of
// the development dependencies.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export type CertificatePair = {
  /** PEM. */
  readonly key: string
  readonly cert: string
}

export type Authority = CertificatePair & {
  /** A server certificate for these host names and IPv4 addresses. */
  issue(input: {
    readonly hosts: readonly string[]
    readonly notBefore?: Date
    readonly notAfter?: Date
  }): CertificatePair
}

const DAY_MS = 24 * 60 * 60 * 1000

export function createAuthority(name = 'Spillway test authority'): Authority {
  const keys = newKeys()
  const validity = {
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
  }
  const issuer = { name, key: keys.privateKey }
  const cert = certificate({ ...validity, subject: name, subjectKey: keys.publicKey, issuer })
  return {
    key: pemOfKey(keys.privateKey),
    cert,
    issue: ({ hosts, ...more }) => {
      const own = newKeys()
      const dates = { ...validity, ...more }
      const subject = hosts[0] ?? 'server'
      const subjectKey = own.publicKey
      return {
        key: pemOfKey(own.privateKey),
        cert: certificate({ ...dates, subject, subjectKey, issuer, hosts }),
      }
    },
  }
}

/** Signed by itself: nobody's authority. */
export function createSelfSigned(hosts: readonly string[]): CertificatePair {
  const keys = newKeys()
  const name = hosts[0] ?? 'server'
  const cert = certificate({
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    subject: name,
    subjectKey: keys.publicKey,
    issuer: { name, key: keys.privateKey },
    hosts,
  })
  return { key: pemOfKey(keys.privateKey), cert }
}

type CertificateInput = {
  readonly subject: string
  readonly subjectKey: KeyObject
  readonly issuer: { readonly name: string; readonly key: KeyObject }
  readonly notBefore: Date
  readonly notAfter: Date
  /** undefined: an authority. */
  readonly hosts?: readonly string[]
}

function certificate(input: CertificateInput): string {
  const { subject, subjectKey, issuer, notBefore, notAfter, hosts } = input
  // ecdsa-with-SHA256
  const algorithm = sequence(objectId('2a8648ce3d040302'))
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    // Positive, so the first bit is 0.
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    commonName(issuer.name),
    sequence(time(notBefore), time(notAfter)),
    commonName(subject),
    subjectKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...(hosts === undefined ? authorityExtensions() : serverExtensions(hosts)))),
  )
  const signature = sign('sha256', body, issuer.key)
  const bits = der(0x03, Buffer.concat([Buffer.from([0]), signature]))
  return pem('CERTIFICATE', sequence(body, algorithm, bits))
}

function authorityExtensions(): Buffer[] {
  // basicConstraints CA:TRUE, keyUsage keyCertSign
  return [
    extension('551d13', sequence(der(0x01, Buffer.from([0xff])))),
    extension('551d0f', der(0x03, Buffer.from([2, 0x04]))),
  ]
}

function serverExtensions(hosts: readonly string[]): Buffer[] {
  const names = hosts.map((host) =>
    /^[\d.]+$/.test(host)
      ? der(0x87, Buffer.from(host.split('.').map(Number)))
      : der(0x82, Buffer.from(host)),
  )
  // subjectAltName, extKeyUsage serverAuth
  return [
    extension('551d11', sequence(...names)),
    extension('551d25', sequence(objectId('2b06010505070301'))),
  ]
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), der(0x04, value))
}

function commonName(name: string): Buffer {
  const pair = sequence(objectId('550403'), der(0x0c, Buffer.from(name)))
  return sequence(der(0x31, pair))
}

function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return der(0x18, Buffer.from(text))
}

function objectId(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** Tag, length, value. */
function der(tag: number, value: Buffer): Buffer {
  const { length } = value
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), value])
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
