// Downloads: the daemon makes a ticket for one of them, since a browser sends no token when it saves a file.

import { send } from './api.ts'
import type { Download } from './api-types.ts'
import { tell } from './parts/toast.tsx'

/** `path` undefined: the archive as it is. */
export async function download(archive: string, path: string | undefined): Promise<void> {
  const body = path === undefined ? {} : { path }
  const { url, name } = await send<Download>('POST', `/api/archives/${archive}/download`, body)
  // Only what the daemon itself serves; its answer is no reason to go elsewhere.
  if (!url.startsWith('/api/downloads/')) throw new Error('the daemon named another place')
  const link = document.createElement('a')
  link.href = url
  link.download = name
  document.body.append(link)
  link.click()
  link.remove()
  tell(`The browser is saving ${name}`)
}
