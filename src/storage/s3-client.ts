// The AWS SDK's client with every option spelled out, so that nothing depends on the environment, on
// ~/.aws, or on defaults that change between its versions.

import { env } from 'node:process'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { rootCertificates } from 'node:tls'
import { S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import type { ProxySettings } from '../domain/config.ts'
import type { S3Server } from '../domain/server.ts'
import { proxyFor } from '../domain/proxy.ts'
import { ProxyTunnel } from '../lib/proxy-tunnel.ts'
import type { RateLimit } from './rate-limit.ts'
import { S3HttpHandler } from './s3-http.ts'

// The SDK tells every run on Node 20 that it will want Node 22 from 2027; the self-test says so once,
// which is enough. This variable is the documented way to switch that off.
env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

export type HandlerInput = {
  readonly server: S3Server
  readonly proxy: ProxySettings
  readonly connectMs: number
  readonly rateLimit: RateLimit | undefined
}

export function createHandler({
  server,
  proxy,
  connectMs,
  rateLimit,
}: HandlerInput): S3HttpHandler {
  // A list of our own replaces Node's, so the well-known authorities have to be named again.
  const caPem = server.caPem === undefined ? undefined : [...rootCertificates, server.caPem]
  const endpoint = new URL(server.endpoint)
  const proxyUrl = proxyFor(endpoint, proxy)
  // Connections are counted by the callers (parts at once), so the agents need no limit.
  const makeAgent = (options: { keepAlive: boolean }): HttpAgent => {
    if (proxyUrl !== undefined) return new ProxyTunnel(proxyUrl, options)
    return endpoint.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
  }
  const agent = makeAgent({ keepAlive: true })
  const freshAgent = makeAgent({ keepAlive: false })
  return new S3HttpHandler({ agent, freshAgent, caPem, connectMs, rateLimit })
}

/** What may turn out to be different from what the entry says; see S3Caller. */
export type Addressing = {
  readonly region: string
  readonly isPathStyle: boolean
  /** Milliseconds that the server's clock is ahead. */
  readonly clockOffsetMs: number
}

export function addressingOf(server: S3Server): Addressing {
  return {
    region: server.region,
    isPathStyle: server.isPathStyle ?? !isAws(server),
    clockOffsetMs: 0,
  }
}

export function createClient(
  server: S3Server,
  handler: S3HttpHandler,
  { region, isPathStyle, clockOffsetMs }: Addressing,
): S3Client {
  const config: S3ClientConfig & { ignoreConfiguredEndpointUrls: boolean } = {
    // AWS has a host per region: left to the SDK, a corrected region corrects the host, too.
    ...(isAwsRegional(server) ? {} : { endpoint: server.endpoint }),
    ignoreConfiguredEndpointUrls: true,
    region,
    forcePathStyle: isPathStyle,
    followRegionRedirects: isAws(server),
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    authSchemePreference: ['aws.auth#sigv4'],
    // Checksums that many servers refuse, or store as part of the object: the signed Content-MD5 of
    // every part protects the bytes instead.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    // Repeats are ours (retry.ts).
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableMultiregionAccessPoints: true,
    disableS3ExpressSessionAuth: true,
    sigv4aSigningRegionSet: [region],
    userAgentAppId: 'spillway',
    systemClockOffset: clockOffsetMs,
    requestHandler: handler as unknown as NonNullable<S3ClientConfig['requestHandler']>,
  }
  return new S3Client(config)
}

export function isAws(server: S3Server): boolean {
  return /(^|\.)amazonaws\.com(\.cn)?$/.test(new URL(server.endpoint).hostname)
}

/** `s3.amazonaws.com` or `s3.REGION.amazonaws.com`, not a private or special end point. */
function isAwsRegional(server: S3Server): boolean {
  return /^s3([.-][a-z0-9-]+)?\.amazonaws\.com$/.test(new URL(server.endpoint).hostname)
}
