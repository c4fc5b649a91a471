// The codes with which S3 servers refuse, and what each means. Collected from AWS, MinIO, Ceph, R2,
// B2, Wasabi, Storj, Garage, SeaweedFS and versitygw: quotas alone have ten names.

import type { FailureCode } from '../domain/errors.ts'

const CODES: Partial<Record<FailureCode, readonly string[]>> = {
  SERVER_BUSY: [
    'SlowDown',
    'SlowDownRead',
    'SlowDownWrite',
    'Throttling',
    'ThrottlingException',
    'ThrottledException',
    'TooManyRequests',
    'TooManyRequestsException',
    'RequestRateLimitExceeded',
    'RequestLimitExceeded',
    'ErrTooManyRequest',
    'ErrRequestBytesExceed',
    'ServerBusy',
    'ServiceUnavailable',
    'Unavailable',
    'InternalError',
    'InternalServerError',
    'OperationAborted',
    'RequestTimeout',
    'IncompleteBody',
    'ClientDisconnect',
    'ClientDisconnected',
    'ConnectionClosed',
    'XMinioServerNotInitialized',
    'ConditionalRequestConflict',
  ],
  SERVER_DAMAGED_DATA: [
    'BadDigest',
    'XAmzContentSHA256Mismatch',
    'XAmzContentChecksumMismatch',
    'ContentSHA256Mismatch',
  ],
  SERVER_FULL: [
    'QuotaExceeded',
    'QuotaExceededException',
    'StorageLimitExceeded',
    'SegmentsLimitExceeded',
    'BandwidthLimitExceeded',
    'XMinioAdminBucketQuotaExceeded',
    'XMinioStorageFull',
    'InsufficientCapacity',
    'InsufficientStorage',
    'OverQuota',
    'StorageQuotaExceeded',
    'StorageFull',
  ],
  SERVER_KEYS: [
    'InvalidAccessKeyId',
    'SignatureDoesNotMatch',
    'AuthFailure',
    'Unauthorized',
    'InvalidSecretKey',
    'InvalidToken',
    'ExpiredToken',
    'InvalidSecurity',
  ],
  SERVER_DENIED: [
    'AccessDenied',
    'AccessForbidden',
    'AuthenticationLockout',
    'NotSignedUp',
    'NotEntitled',
    'UserSuspended',
    'AccountProblem',
    'AccountNotActivated',
    'AccountSuspended',
    'AllAccessDisabled',
    'ObjectLocked',
    'ObjectLockedByBucketPolicy',
    'MethodNotAllowed',
  ],
  SERVER_BUCKET: [
    'NoSuchBucket',
    'PermanentRedirect',
    'TemporaryRedirect',
    'Redirect',
    'InvalidRegion',
    'IllegalLocationConstraintException',
    'InvalidBucketName',
  ],
  SERVER_CLOCK: ['RequestTimeTooSkewed', 'RequestExpired', 'ExpiredRequest'],
  UPLOAD_GONE: ['NoSuchUpload'],
  ARCHIVE_MISSING: ['NoSuchKey', 'NoSuchVersion'],
  // The object lies in a class such as GLACIER, and no thawed copy of it is there at the moment.
  ARCHIVE_FROZEN: ['InvalidObjectState'],
  OBJECT_EXISTS: ['PreconditionFailed'],
  SERVER_REJECTED: [
    'AuthorizationHeaderMalformed',
    'InvalidPart',
    'InvalidPartOrder',
    'EntityTooSmall',
    'EntityTooLarge',
    'InvalidArgument',
    'InvalidRange',
    'InvalidRequest',
    'InvalidDigest',
    'InvalidObjectName',
    'InvalidStorageClass',
    'KeyTooLongError',
    'MalformedXML',
    'MissingContentLength',
    'MissingContentMD5',
    'NotImplemented',
    'TooManyParts',
  ],
}

export const FAILURE_OF_S3_CODE: ReadonlyMap<string, FailureCode> = new Map(
  Object.entries(CODES).flatMap(([failure, codes]) =>
    codes.map((code) => [code, failure as FailureCode] as const),
  ),
)

/** Servers that say "full" with a code that means other things, too (B2, Garage: AccessDenied). */
export const QUOTA_WORDS =
  /\b(quota|storage (cap|limit)|cap exceeded|insufficient (storage|space|capacity)|disk (is )?full|no space left|free drive threshold|no (free|writable) volumes|read.?only)\b/i

/** For an answer without a code we know: a proxy's page, a HEAD without body. */
export function failureOfStatus(status: number): FailureCode {
  if (status === 401) return 'SERVER_KEYS'
  if (status === 403) return 'SERVER_DENIED'
  if (status === 404) return 'SERVER_BUCKET'
  if (status === 412) return 'OBJECT_EXISTS'
  if (status === 507) return 'SERVER_FULL'
  if (status === 501) return 'SERVER_REJECTED'
  if ([408, 425, 429].includes(status) || status >= 500) return 'SERVER_BUSY'
  return 'SERVER_NOT_S3'
}
