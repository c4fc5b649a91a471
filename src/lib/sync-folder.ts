// Flushes a folder to the disk: only then a name that was put into it is there for good, also after a power
// cut.

import { open } from 'node:fs/promises'

// Some network and FAT file systems cannot do that; there is nothing better to do there.
const UNABLE: readonly unknown[] = ['EINVAL', 'ENOTSUP', 'EBADF']

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    if (!UNABLE.includes((error as NodeJS.ErrnoException).code)) throw error
  } finally {
    await folder.close()
  }
}
