// What could not be given back as it was archived: counted in full, kept up to a limit.

import { shownPath } from './extract-paths.ts'
import { WARNINGS_KEPT_MAX } from './packer.ts'
import type { ByteString } from './tar-header.ts'

export type ShownWarning = { readonly path: string; readonly reason: string }

export class ExtractWarnings {
  readonly kept: ShownWarning[] = []
  count = 0

  add(path: ByteString, reason: string): void {
    this.count += 1
    if (this.kept.length < WARNINGS_KEPT_MAX) this.kept.push({ path: shownPath(path), reason })
  }
}
