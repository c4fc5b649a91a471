// Extended attributes of what was restored: those of a user, ACLs, capabilities, labels, and what only root
// may set. An archive may be hostile: only the names that Spillway archives are set, and only values that
// a file can have. What the system refuses is a warning that names the member.

import {
  ACCESS_ACL,
  ATTRIBUTE_VALUE_BYTES_MAX,
  CAPABILITY,
  DEFAULT_ACL,
  isKeptAttribute,
  SELINUX_LABEL,
} from '../domain/file-attributes.ts'
import { systemCalls, whyNoSystemCalls } from '../lib/system-calls.ts'
import { errnoOf } from './extract-failures.ts'
import { shownPath } from './extract-paths.ts'
import type { CallPlace, SystemCalls } from '../lib/system-calls.ts'
import type { ByteString } from './tar-header.ts'
import type { ExtractWarnings } from './extract-warnings.ts'
import type { ReadAttribute } from './pax-records.ts'

/** What a change of mode would bend (an ACL's mask), and a change of owner take away. */
const AFTER_MODE: ReadonlySet<string> = new Set([ACCESS_ACL, DEFAULT_ACL, CAPABILITY])

export class ExtrasWriter {
  readonly #warnings: ExtractWarnings
  readonly #calls: SystemCalls | undefined
  readonly #isRoot = process.geteuid?.() === 0
  #membersWithout = 0

  constructor(warnings: ExtractWarnings, calls = systemCalls()) {
    this.#warnings = warnings
    this.#calls = calls
  }

  /** For one member call it twice: before its mode is set, while it may still be written to, and after. */
  apply(
    at: CallPlace,
    attributes: readonly ReadAttribute[],
    path: ByteString,
    when: 'before mode' | 'after mode',
  ): void {
    if (attributes.length === 0) return
    if (this.#calls === undefined) {
      if (when === 'after mode') this.#membersWithout += 1
      return
    }
    const failed = new Map<string, string[]>()
    for (const { name, value } of attributes) {
      if (AFTER_MODE.has(name) !== (when === 'after mode')) continue
      const why = this.#write(this.#calls, at, name, value)
      if (why === undefined) continue
      const names = failed.get(why)
      if (names === undefined) failed.set(why, [shownPath(name)])
      else names.push(shownPath(name))
    }
    for (const [why, names] of failed) {
      const what = names.length === 1 ? 'its attribute' : 'its attributes'
      this.#warnings.add(path, `${what} ${listed(names)} could not be restored: ${why}`)
    }
  }

  /** What was just created inherits from its folder, where that has a default ACL. The archive decides. */
  dropInherited(at: CallPlace, kind: 'file' | 'directory'): void {
    try {
      this.#calls?.removeAttribute(at, ACCESS_ACL)
      if (kind === 'directory') this.#calls?.removeAttribute(at, DEFAULT_ACL)
    } catch (error) {
      // It is ours and new: whatever it is, the mode that is set next is what counts.
      if (errnoOf(error) === undefined) throw error
    }
  }

  /** Whether it is done: to the nanosecond. */
  setTimes(
    at: CallPlace,
    time: { readonly mtimeSeconds: number; readonly mtimeNanos: number },
  ): boolean {
    this.#calls?.setTimes(at, time.mtimeSeconds, time.mtimeNanos)
    return this.#calls !== undefined
  }

  /** At the end: one line, however many members it is about. */
  addMissingWarning(): void {
    if (this.#membersWithout === 0) return
    const why = whyNoSystemCalls() ?? 'it is not known why'
    this.#warnings.add(
      '',
      `extended attributes of ${this.#membersWithout} members are lost: ${why}`,
    )
  }

  /** Returns why not; undefined: it is set. */
  #write(calls: SystemCalls, at: CallPlace, name: ByteString, value: Buffer): string | undefined {
    if (!isKeptAttribute(name)) return 'Spillway archives none of this name'
    if (value.length > ATTRIBUTE_VALUE_BYTES_MAX)
      return `it has ${value.length} bytes, and no file can have more than ${ATTRIBUTE_VALUE_BYTES_MAX}`
    try {
      // Most files have the right label already, and changing it is a right of its own.
      if (name === SELINUX_LABEL && hasValue(calls, at, name, value)) return undefined
      calls.writeAttribute(at, name, value)
      return undefined
    } catch (error) {
      const code = errnoOf(error)
      if (code === undefined) throw error
      return this.#reasonFor(code, name)
    }
  }

  #reasonFor(code: string, name: ByteString): string {
    const isForRoot = name.startsWith('trusted.') || name.startsWith('security.')
    if (!this.#isRoot && isForRoot && (code === 'EPERM' || code === 'EACCES'))
      return 'only root can restore that'
    return REASONS[code] ?? code
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EPERM: 'not permitted (EPERM)',
  EACCES: 'permission denied (EACCES)',
  ENOTSUP: 'the file system has no such attributes (ENOTSUP)',
  ENOSPC: 'the file system has no room for it (ENOSPC)',
  EDQUOT: 'the quota is used up (EDQUOT)',
  E2BIG: 'the file system takes no value of that size (E2BIG)',
  ERANGE: 'the file system takes no value of that size (ERANGE)',
  EINVAL: 'the system does not take its value (EINVAL)',
}

function hasValue(calls: SystemCalls, at: CallPlace, name: ByteString, value: Buffer): boolean {
  try {
    return calls.readAttribute(at, name).equals(value)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}

// A hostile archive names thousands; a few tell what kind they are.
const NAMES_SHOWN_MAX = 5

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ')
  const rest = names.length - NAMES_SHOWN_MAX
  return rest > 0 ? `${shown} and ${rest} more` : shown
}
