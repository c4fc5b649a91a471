// Tells one process of this machine from all others, also from one that gets the same number later: how a
// record says who is at work, and how others see that he is there no more.

import { readFileSync, readlinkSync } from 'node:fs'

export type ProcessIdentity = {
  readonly pid: number
  /** When the kernel started it: a pid is given again, the pair is not. undefined: there is no /proc. */
  readonly startTicks: string | undefined
  /** Changes at each start of the machine. */
  readonly bootId: string | undefined
  /** Of its numbers: a container has its own, and those of others mean nothing in it. */
  readonly namespace: string | undefined
}

export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    startTicks: startTicksOf(process.pid),
    bootId: bootId(),
    namespace: namespaceOf(),
  }
}

/** undefined: it cannot be seen from here, and nothing is known of it. */
export function isAlive({
  pid,
  startTicks,
  ...place
}: Pick<ProcessIdentity, 'pid' | 'startTicks'> & Partial<ProcessIdentity>): boolean | undefined {
  if (place.bootId !== undefined && bootId() !== undefined && place.bootId !== bootId())
    return false
  if (place.namespace !== undefined && place.namespace !== namespaceOf()) return undefined
  if (startTicks !== undefined) return startTicksOf(pid) === startTicks
  try {
    process.kill(pid, 0)
    return !isDead(statOf(pid))
  } catch (error) {
    // Alive, and somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** In ticks since the machine was; undefined where there is no such process any more, or no /proc. */
export function startTicksOf(pid: number): string | undefined {
  const stat = statOf(pid)
  return isDead(stat) ? undefined : stat?.[START_TICKS]
}

// Fields 3, 20 and 22 of proc(5), without the first two.
const STATE = 0
const THREAD_COUNT = 17
const START_TICKS = 19

/**
 * It keeps its number and its place in /proc until its parent asks for it, which in a container may be never. With
 * another thread it lives: one that hangs in a call of the system holds its files and locks.
 */
function isDead(stat: readonly string[] | undefined): boolean {
  const state = stat?.[STATE]
  return (state === 'Z' || state === 'X') && Number(stat?.[THREAD_COUNT]) <= 1
}

/** From its third field on. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the name, in brackets, and may hold spaces and brackets itself.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // No Linux.
    return undefined
  }
}

function namespaceOf(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    // No Linux, or nobody may look.
    return undefined
  }
}
