// One writer of an env file at a time: between reading it and replacing it, another one could replace it as well,
// and what that one wrote would be gone without a word; a change of keys would take all secrets with it.
//
// The lock is a file beside the env file that says which process holds it. That of a process which is gone is taken over. It
// holds no secret, and is there for well under a second.

import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SpillwayError } from '../domain/errors.ts'
import { isAlive, ownIdentity } from '../lib/process-identity.ts'
import type { ProcessIdentity } from '../lib/process-identity.ts'

// A write takes some milliseconds, and sealing a large file less than a second.
const PATIENCE_MS = 10_000
const BETWEEN_LOOKS_MS = 20
// Two may find the same dead holder: the last of them to take over has it, and within this time that is settled.
const SETTLED_MS = 100
// Of a holder that cannot be seen from here, in another container say, or that was killed before it had said who it is.
const FORGOTTEN_MS = 600_000

/** Beside `target`, whose links were followed. */
export function lockFileOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.lock`)
}

/** Of names beside `target` under which it is written, and what a process that was killed left of that. */
export function leftoverPrefix(target: string): string {
  return `.${basename(target)}.spillway-`
}

/** Resolves with how to give it back. Rejects with SETTINGS_CHANGED when another process does not let go of it. */
export async function lockEnvFile(target: string): Promise<() => Promise<void>> {
  const lock = lockFileOf(target)
  const token = await take(target, lock)
  return async () => {
    // Taken over by somebody who found us dead, it is theirs.
    if ((await textOf(lock)) === token) await rm(lock, { force: true })
  }
}

async function take(target: string, lock: string): Promise<string> {
  const token = JSON.stringify({ ...ownIdentity(), token: randomBytes(12).toString('hex') })
  const deadline = performance.now() + PATIENCE_MS
  while (performance.now() < deadline) {
    if (await isMade(target, token)) return token
    if (!(await isLeft(lock))) await sleep(BETWEEN_LOOKS_MS)
    else if (await isTakenOver(target, token)) return token
  }
  throw new SpillwayError('SETTINGS_CHANGED', `${target} is being changed by another process`, {
    hint: `nothing was written: try again; where no such process is, remove ${lock}`,
  })
}

// Readable for all: another user must see who holds it.
const MODE = 0o644

/** It says who holds it from its first moment on: one that was made first and written then, a kill would leave empty. */
async function isMade(target: string, token: string): Promise<boolean> {
  const lock = lockFileOf(target)
  try {
    await withClaim(target, token, async (claim) => {
      try {
        await link(claim, lock)
      } catch (error) {
        if (codeOf(error) === 'EEXIST') throw error
        // Not every file system has hard links.
        await writeFile(lock, token, { flag: 'wx', mode: MODE })
      }
    })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function isTakenOver(target: string, token: string): Promise<boolean> {
  const lock = lockFileOf(target)
  await withClaim(target, token, (claim) => rename(claim, lock))
  await sleep(SETTLED_MS)
  return (await textOf(lock)) === token
}

/** What a kill leaves of it, the next change of the env file takes away. */
async function withClaim(
  target: string,
  token: string,
  work: (claim: string) => Promise<void>,
): Promise<void> {
  const claim = join(dirname(target), leftoverPrefix(target) + randomBytes(6).toString('hex'))
  try {
    await writeFile(claim, token, { flag: 'wx', mode: MODE })
    await work(claim)
  } finally {
    await rm(claim, { force: true })
  }
}

/** Whether its holder is no more. */
async function isLeft(lock: string): Promise<boolean> {
  const [text, stats] = [await textOf(lock), await stat(lock).catch(() => undefined)]
  if (text === undefined || stats === undefined) return false
  const alive = isAlive(holderOf(text))
  return alive === undefined ? Date.now() - stats.mtimeMs > FORGOTTEN_MS : !alive
}

/** Of a damaged one nothing is known: a process of no machine, in no namespace. */
function holderOf(text: string): ProcessIdentity {
  try {
    return JSON.parse(text) as ProcessIdentity
  } catch {
    return { pid: 0, startTicks: undefined, bootId: undefined, namespace: 'none' }
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
