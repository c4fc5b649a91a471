import { describe, expect, it } from 'vitest'
import {
  PLACEHOLDER,
  PROVIDERS,
  providerOfHost,
  regionOfHost,
  storageTermsOf,
} from '../../src/domain/providers.ts'
import { fileServer, s3Server } from '../support/catalog-story.ts'

describe('regionOfHost', () => {
  it.each([
    ['s3.eu-central-1.amazonaws.com', 'aws', 'eu-central-1'],
    ['s3-eu-west-1.amazonaws.com', 'aws', 'eu-west-1'],
    ['s3.dualstack.us-gov-west-1.amazonaws.com', 'aws', 'us-gov-west-1'],
    ['s3.amazonaws.com', 'aws', 'us-east-1'],
    ['s3.cn-north-1.amazonaws.com.cn', 'aws', 'cn-north-1'],
    ['s3.us-west-004.backblazeb2.com', 'b2', 'us-west-004'],
    ['S3.EU-Central-1.WasabiSys.com', 'wasabi', 'eu-central-1'],
    ['s3.wasabisys.com', 'wasabi', 'us-east-1'],
    ['fra1.digitaloceanspaces.com', 'digitalocean', 'fra1'],
    ['0123abc.r2.cloudflarestorage.com', 'r2', 'auto'],
    ['0123abc.eu.r2.cloudflarestorage.com', 'r2', 'auto'],
    ['a1b2.ch11.idrivee2-4.com', 'idrive', 'us-east-1'],
    ['fsn1.your-objectstorage.com', 'hetzner', 'fsn1'],
    ['s3.fr-par.scw.cloud', 'scaleway', 'fr-par'],
    ['s3.gra.io.cloud.ovh.net', 'ovh', 'gra'],
    ['us-southeast-1.linodeobjects.com', 'linode', 'us-southeast-1'],
    ['gateway.storjshare.io', 'storj', 'us-east-1'],
    ['storage.googleapis.com', 'gcs', 'auto'],
  ])('reads %s', (host, provider, region) => {
    expect(providerOfHost(host)?.id).toBe(provider)
    expect(regionOfHost(host)).toBe(region)
  })

  it.each(['minio.example.net', 'localhost', 'amazonaws.com.example.net', 'notwasabisys.com'])(
    'guesses nothing for %s',
    (host) => {
      expect(regionOfHost(host)).toBeUndefined()
    },
  )
})

it('every provider has its own name, and hints that say something', () => {
  expect(new Set(PROVIDERS.map(({ id }) => id)).size).toBe(PROVIDERS.length)
  for (const { endpointHint, regionHint } of PROVIDERS) {
    expect(endpointHint).not.toBe('')
    expect(regionHint).not.toBe('')
  }
})

it('a template with its placeholders filled in is recognised as that provider', () => {
  const templates = PROVIDERS.filter(({ host }) => host !== undefined)
  expect(templates.length).toBeGreaterThan(8)
  for (const { id, endpoint } of templates) {
    const candidates = ['eu-central-1', 'fr-par', 'fra1', 'abc'].map((word) =>
      endpoint.replace('idrivee2-NN', 'idrivee2-12').replace(new RegExp(PLACEHOLDER, 'g'), word),
    )
    expect(candidates.map((host) => providerOfHost(host)?.id)).toContain(id)
  }
})

describe('storageTermsOf', () => {
  it.each([
    ['https://s3.eu-central-1.wasabisys.com', undefined, 90, false],
    ['https://s3.eu-central-1.amazonaws.com', undefined, 0, false],
    ['https://s3.eu-central-1.amazonaws.com', 'standard_ia', 30, false],
    ['https://s3.eu-central-1.amazonaws.com', 'GLACIER_IR', 90, false],
    ['https://s3.eu-central-1.amazonaws.com', 'DEEP_ARCHIVE', 180, true],
    ['https://minio.example.net', 'REDUCED', 0, false],
  ])('%s with class %s: %d days', (endpoint, storageClass, billedDaysMin, isFrozen) => {
    expect(storageTermsOf(s3Server(1, { endpoint, storageClass }))).toEqual({
      ...{ billedDaysMin, isFrozen },
    })
  })

  it('says nothing of a directory', () => {
    expect(storageTermsOf(fileServer(1, '/mnt')).billedDaysMin).toBe(0)
  })
})
