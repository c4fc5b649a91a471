// What is known about the places that speak S3: their endpoints, their regions, and what an
// operator should know before the first archive. The wizard, .env.example and the remedies of
// configuration problems read this table; nothing here changes how bytes are sent.

import type { Server } from './server.ts'

export type ProviderId =
  | ('idrive' | 'aws' | 'b2' | 'wasabi' | 'minio' | 'digitalocean' | 'r2' | 'ceph' | 'hetzner')
  | ('scaleway' | 'ovh' | 'linode' | 'storj' | 'gcs' | 'garage' | 'seaweedfs' | 'other' | 'file')

export type Provider = {
  readonly id: ProviderId
  readonly name: string
  /** An endpoint as it looks there; the parts in capitals are to be replaced. */
  readonly endpoint: string
  /** Where the operator finds the endpoint. */
  readonly endpointHint: string
  /** The region to offer; undefined where only the account knows it. */
  readonly region: string | undefined
  readonly regionHint: string
  /** Recognises a host name; what it captures, if anything, is the region. */
  readonly host: RegExp | undefined
  readonly note: string | undefined
  /** What is stored is billed for so many days, also when it is deleted before. */
  readonly billedDaysMin?: number
}

/** What `endpoint` holds for the operator to replace. */
export const PLACEHOLDER = /\b(?:REGION|ACCOUNT|XXXX|LOCATION|idrivee2-NN)\b/

export const PROVIDERS: readonly Provider[] = [
  {
    id: 'idrive',
    name: 'iDrive e2',
    endpoint: 'XXXX.LOCATION.idrivee2-NN.com',
    endpointHint: 'each account has its own; copy it from Access keys in the e2 console',
    region: 'us-east-1',
    regionHint: 'the code that the console shows beside the endpoint, or us-east-1',
    host: /(?:^|\.)idrivee2(?:-\d+)?\.com$/,
    note: undefined,
  },
  {
    id: 'aws',
    name: 'AWS S3',
    endpoint: 's3.REGION.amazonaws.com',
    endpointHint: 's3.REGION.amazonaws.com, as in s3.eu-central-1.amazonaws.com',
    region: undefined,
    regionHint: 'the region of the bucket, as in eu-central-1',
    host: /^s3(?:[.-](?:dualstack|fips|accelerate))*(?:[.-]([a-z]{2}(?:-[a-z]+)+-\d+))?\.amazonaws\.com(?:\.cn)?$/,
    note: 'unfinished uploads never expire by themselves: give the bucket a lifecycle rule',
  },
  {
    id: 'b2',
    name: 'Backblaze B2',
    endpoint: 's3.REGION.backblazeb2.com',
    endpointHint: 'shown with the bucket, as in s3.eu-central-003.backblazeb2.com',
    region: undefined,
    regionHint: 'the middle of the endpoint, as in eu-central-003',
    host: /^s3\.([a-z0-9-]+)\.backblazeb2\.com$/,
    note: 'use an application key, not the master key; set the storage cap above the limit',
  },
  {
    id: 'wasabi',
    name: 'Wasabi',
    endpoint: 's3.REGION.wasabisys.com',
    endpointHint: 's3.REGION.wasabisys.com, as in s3.eu-central-1.wasabisys.com',
    region: undefined,
    regionHint: 'the region of the bucket, as in eu-central-1',
    host: /^s3(?:\.([a-z0-9-]+))?\.wasabisys\.com$/,
    note: 'what is deleted is billed for 90 days all the same (30 with reserved capacity)',
    billedDaysMin: 90,
  },
  {
    id: 'minio',
    name: 'MinIO',
    endpoint: 'http://minio.example.net:9000',
    endpointHint: 'scheme, host and port of the S3 API (9000), not of the console (9001)',
    region: 'us-east-1',
    regionHint: 'us-east-1, unless the server sets another',
    host: undefined,
    note: undefined,
  },
  {
    id: 'digitalocean',
    name: 'DigitalOcean Spaces',
    endpoint: 'REGION.digitaloceanspaces.com',
    endpointHint: "without the Space's name, as in fra1.digitaloceanspaces.com",
    region: undefined,
    regionHint: 'the data centre at the start of the endpoint, as in fra1',
    host: /^([a-z]{3}\d)\.digitaloceanspaces\.com$/,
    note: 'unfinished uploads are deleted there after 30 days',
  },
  {
    id: 'r2',
    name: 'Cloudflare R2',
    endpoint: 'ACCOUNT.r2.cloudflarestorage.com',
    endpointHint: 'the S3 API address on the page of the bucket, without the bucket at its end',
    region: 'auto',
    regionHint: 'auto',
    host: /\.r2\.cloudflarestorage\.com$/,
    note: 'a token with "Object Read & Write" for the bucket is enough',
  },
  {
    id: 'ceph',
    name: 'Ceph RADOS gateway',
    endpoint: 'https://rgw.example.net',
    endpointHint: 'scheme, host and port of the gateway',
    region: 'us-east-1',
    regionHint: 'the zone group, or us-east-1: most gateways take any',
    host: undefined,
    note: undefined,
  },
  {
    id: 'hetzner',
    name: 'Hetzner Object Storage',
    endpoint: 'REGION.your-objectstorage.com',
    endpointHint: 'fsn1, nbg1 or hel1 in front: fsn1.your-objectstorage.com',
    region: undefined,
    regionHint: 'the location at the start of the endpoint, as in fsn1',
    host: /^([a-z]{3}\d)\.your-objectstorage\.com$/,
    note: 'keys are valid for all buckets of a project: give the archives one of their own',
  },
  {
    id: 'scaleway',
    name: 'Scaleway',
    endpoint: 's3.REGION.scw.cloud',
    endpointHint: 's3.REGION.scw.cloud, as in s3.fr-par.scw.cloud',
    region: undefined,
    regionHint: 'the middle of the endpoint, as in fr-par',
    host: /^s3\.([a-z]{2}-[a-z]{3})\.scw\.cloud$/,
    note: undefined,
  },
  {
    id: 'ovh',
    name: 'OVHcloud',
    endpoint: 's3.REGION.io.cloud.ovh.net',
    endpointHint: 's3.REGION.io.cloud.ovh.net, as in s3.gra.io.cloud.ovh.net',
    region: undefined,
    regionHint: 'the middle of the endpoint, in lower case, as in gra',
    host: /^s3\.([a-z0-9-]+)\.io\.cloud\.ovh\.(?:net|us)$/,
    note: undefined,
  },
  {
    id: 'linode',
    name: 'Akamai (Linode)',
    endpoint: 'REGION.linodeobjects.com',
    endpointHint: 'shown with the bucket, without its name, as in eu-central-1.linodeobjects.com',
    region: undefined,
    regionHint: 'the cluster at the start of the endpoint, as in eu-central-1',
    host: /^([a-z]{2}-[a-z]+-\d+)\.linodeobjects\.com$/,
    note: undefined,
  },
  {
    id: 'storj',
    name: 'Storj',
    endpoint: 'gateway.storjshare.io',
    endpointHint: 'gateway.storjshare.io',
    region: 'us-east-1',
    regionHint: 'us-east-1: the gateway takes any',
    host: /^gateway\.(?:[a-z0-9]+\.)?storjshare\.io$/,
    note: undefined,
  },
  {
    id: 'gcs',
    name: 'Google Cloud Storage',
    endpoint: 'storage.googleapis.com',
    endpointHint: 'storage.googleapis.com, with an HMAC key of a service account',
    region: 'auto',
    regionHint: 'auto',
    host: /^storage\.googleapis\.com$/,
    note: 'needs an HMAC key (Settings, Interoperability), not a JSON key file',
  },
  {
    id: 'garage',
    name: 'Garage',
    endpoint: 'http://garage.example.net:3900',
    endpointHint: 'scheme, host and port of the S3 API (3900)',
    region: 'garage',
    regionHint: 's3_region of its configuration file; garage unless changed',
    host: undefined,
    note: 'the region must match, or every request is refused',
  },
  {
    id: 'seaweedfs',
    name: 'SeaweedFS',
    endpoint: 'http://seaweed.example.net:8333',
    endpointHint: 'scheme, host and port of the S3 gateway (8333)',
    region: 'us-east-1',
    regionHint: 'us-east-1: the gateway takes any',
    host: undefined,
    note: undefined,
  },
  {
    id: 'other',
    name: 'Another S3-compatible server',
    endpoint: 'https://s3.example.net',
    endpointHint: 'host name (https is meant), host:port, or a URL',
    region: undefined,
    regionHint: 'what the server expects; us-east-1 if it does not care',
    host: undefined,
    note: undefined,
  },
  {
    id: 'file',
    name: 'A local directory',
    endpoint: 'file:///mnt/backup/spillway',
    endpointHint: 'an absolute path; the disk must be mounted when archives are written',
    region: undefined,
    regionHint: 'none',
    host: undefined,
    note: undefined,
  },
]

/** The provider that a host name gives away. */
export function providerOfHost(hostName: string): Provider | undefined {
  const host = hostName.toLowerCase()
  return PROVIDERS.find((provider) => provider.host?.test(host))
}

// Hosts without a region in their name belong to the provider's first region.
const FIRST_REGION = 'us-east-1'

/** The region that an endpoint's host name gives away, or that its provider always takes. */
export function regionOfHost(hostName: string): string | undefined {
  const provider = providerOfHost(hostName)
  if (provider === undefined) return undefined
  const captured = provider.host?.exec(hostName.toLowerCase())?.[1]
  if (captured !== undefined) return captured
  return provider.region ?? FIRST_REGION
}

/** What storing there costs besides the bytes; said before retention or a restore costs it. */
export type StorageTerms = {
  /** What is deleted earlier is billed until then all the same. 0: not so. */
  readonly billedDaysMin: number
  /** Before an object can be read it must be thawed, which takes hours and is billed. */
  readonly isFrozen: boolean
}

// As AWS and Google publish them; others that have these classes use their names and days.
const CLASS_TERMS: Readonly<Record<string, StorageTerms>> = {
  STANDARD_IA: { billedDaysMin: 30, isFrozen: false },
  ONEZONE_IA: { billedDaysMin: 30, isFrozen: false },
  GLACIER_IR: { billedDaysMin: 90, isFrozen: false },
  GLACIER: { billedDaysMin: 90, isFrozen: true },
  DEEP_ARCHIVE: { billedDaysMin: 180, isFrozen: true },
  NEARLINE: { billedDaysMin: 30, isFrozen: false },
  COLDLINE: { billedDaysMin: 90, isFrozen: false },
  ARCHIVE: { billedDaysMin: 365, isFrozen: false },
}

/** By the provider that the host name gives away, and by the storage class. */
export function storageTermsOf(server: Server): StorageTerms {
  if (server.kind === 'file') return { billedDaysMin: 0, isFrozen: false }
  const ofProvider = providerOfHost(new URL(server.endpoint).hostname)?.billedDaysMin ?? 0
  const ofClass = CLASS_TERMS[server.storageClass?.toUpperCase() ?? '']
  return {
    billedDaysMin: Math.max(ofProvider, ofClass?.billedDaysMin ?? 0),
    isFrozen: ofClass?.isFrozen ?? false,
  }
}
