// The suite that needs real servers: scripts/test-servers.sh starts them and says where they are.
import { defineConfig } from 'vitest/config'

// eslint-disable-next-line no-restricted-syntax -- vitest wants it so.
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/servers/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One gateway, whose quota belongs to all tests.
    maxWorkers: 1,
    fileParallelism: false,
  },
})
