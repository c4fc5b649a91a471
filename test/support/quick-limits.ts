// Time limits for tests of whole runs.

import type { LimitOverrides } from '../../src/compose.ts'

// A twentieth of the real limits: enough for a busy machine, and a silent server costs a test 3 s.
export const QUICK: LimitOverrides = {
  network: {
    connectMs: 2_000,
    silenceMs: 3_000,
    completeSilenceMs: 4_000,
    withoutProgressMs: 6_000,
    repeatDelayMs: 20,
  },
  delivery: { abortMs: 2_000, interruptedAbortMs: 1_000, headMs: 2_000, headDelaysMs: [20, 50] },
}
