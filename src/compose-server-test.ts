// The wizard's live test, joined with the adapters: it works on a server that no file knows yet, so
// it cannot use the services of compose.ts, which begin with a configuration that is right.

import type { TestServer } from './operations/configure-test-server.ts'

export const testServerForReal: TestServer = async (server, signal, { proxy, serverId }) => {
  const { openStorage } = await import('./compose-storage.ts')
  const { testServer } = await import('./operations/configure-test-server.ts')
  const { NETWORK_LIMITS } = await import('./storage/limits.ts')
  const options = { proxy, limits: NETWORK_LIMITS, rateLimit: undefined }
  return testServer(
    { serverId, openStorage: (each, isKnown) => openStorage(each, { ...options, isKnown }) },
    server,
    signal,
  )
}
