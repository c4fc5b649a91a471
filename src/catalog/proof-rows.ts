// The queries of verifying.

import type { Kysely } from 'kysely'
import type { ProofCalls } from './proof-calls.ts'
import { timeText } from './rows.ts'
import type { Tables } from './tables.ts'

export function createProofCalls(db: Kysely<Tables>): ProofCalls {
  return {
    setVerified: async (id, at) => {
      await db
        .updateTable('archives')
        .set({ verified_at: timeText(at) })
        .where('id', '=', id)
        .execute()
    },
  }
}
