// Members that could not be given back because their bytes are damaged: each is named.

import { printablePath } from '../lib/printable-path.ts'
import type { ByteString } from './tar-header.ts'

// A damaged frame holds at most 8 192 headers; beyond a dozen such frames only the number is of use.
const LOST_KEPT_MAX = 100_000

export class LostMembers {
  readonly kept: string[] = []
  count = 0

  add(path: ByteString): void {
    this.count += 1
    if (this.kept.length < LOST_KEPT_MAX) this.kept.push(printablePath(path))
  }
}
