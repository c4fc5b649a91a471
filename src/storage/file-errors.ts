// What a file system can answer, made into one of our failures: the one place that reads errno here.

import { SpillwayError } from '../domain/errors.ts'
import type { FailureCode } from '../domain/errors.ts'
import { MARKER } from './file-layout.ts'

type Verdict = { readonly code: FailureCode; readonly what: string; readonly hint?: string }

const VERDICTS: Readonly<Record<string, Verdict>> = {
  ENOSPC: { code: 'SERVER_FULL', what: 'Not enough space: the disk is full' },
  EDQUOT: { code: 'SERVER_FULL', what: 'Not enough space: the quota of this user is used up' },
  EROFS: { code: 'SERVER_DENIED', what: 'the disk is mounted read-only' },
  EACCES: { code: 'SERVER_DENIED', what: 'the system denies it' },
  EPERM: { code: 'SERVER_DENIED', what: 'the system denies it' },
  ENOTDIR: { code: 'SERVER_BUCKET', what: 'a file is where a folder should be' },
  ENOENT: { code: 'SERVER_BUCKET', what: 'the folder is gone: is the disk still mounted?' },
  EFBIG: { code: 'SERVER_REJECTED', what: 'the file system does not take files of that size' },
  ENAMETOOLONG: { code: 'SERVER_REJECTED', what: 'the file system does not take so long a name' },
  EXDEV: { code: 'SERVER_REJECTED', what: 'the folder is on another disk than its server' },
  EEXIST: { code: 'OBJECT_EXISTS', what: 'it is there already' },
}

// EIO, ESTALE, ENODEV, ENXIO, EHOSTDOWN, ETIMEDOUT and their like: the disk or its network is not well.
const UNWELL: Verdict = {
  code: 'SERVER_UNREACHABLE',
  what: 'the disk does not answer as it should',
}

/** The error itself when it is no errno: then it is a bug of ours, or already a failure. */
export function failureOfFile(error: unknown, place: string, action: string): unknown {
  if (error instanceof SpillwayError || !(error instanceof Error)) return error
  const { code: errno, syscall } = error as NodeJS.ErrnoException
  if (errno === undefined || syscall === undefined) return error
  const { code, what, hint } = VERDICTS[errno] ?? UNWELL
  return new SpillwayError(code, `${place}: ${action}: ${what} (${errno})`, {
    cause: error,
    facts: { code: errno },
    ...(hint === undefined ? {} : { hint }),
  })
}

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

export function noDirectory(root: string, serverNumber: number): SpillwayError {
  const hint = `create the directory, mount its disk, or correct S3_SERVER_${serverNumber}_ENDPOINT`
  return new SpillwayError('SERVER_BUCKET', `${root}: no such directory`, { hint })
}

export function notMounted(root: string): SpillwayError {
  return new SpillwayError(
    'SERVER_BUCKET',
    `${root}: its marker file ${MARKER} is missing, so the disk is not mounted`,
    {
      hint: 'mount the disk; on a new, empty one create that file by hand',
      facts: { code: 'NOT_MOUNTED' },
    },
  )
}

export function exists(root: string, key: string): SpillwayError {
  return new SpillwayError('OBJECT_EXISTS', `${root}: ${key} is there already`)
}

export function missing(root: string, key: string): SpillwayError {
  return new SpillwayError('ARCHIVE_MISSING', `${root}: there is no ${key}`)
}

export function wrongSize(root: string, key: string, found: number, wanted: number): SpillwayError {
  const what = `${key} has ${found} bytes on the disk, and ${wanted} were sent`
  return new SpillwayError('SERVER_DAMAGED_DATA', `${root}: ${what}`)
}
