import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Needs Debian packages: `npm run test:servers` runs these.
    exclude: ['test/servers/**'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 30_000,
    // Two cores: more workers than that only make the tests with child processes late.
    maxWorkers: 2,
  },
})
