// The program that a Redis source runs: `info FILE` tells what the server is as JSON, `dump FILE` writes its
// snapshot to the standard output. The file holds the address and the password, which nobody else can see
// there.

import { assert } from './lib/assert.ts'
import { databaseFailed } from './sources/database-failure.ts'
import { readOrder, runOwnProgram, writeOutput } from './sources/own-program.ts'
import { RedisClient } from './sources/redis-client.ts'
import type { RedisOrder } from './sources/redis-client.ts'
import { redisFacts } from './sources/redis-facts.ts'

await runOwnProgram(async ([what, file = '']) => {
  assert(what === 'info' || what === 'dump', 'redis-program tells or dumps')
  const order = readOrder(file) as RedisOrder
  const client = await RedisClient.open(order)
  try {
    if (what === 'dump') await client.snapshot(writeOutput)
    else await tell(client, order)
  } finally {
    client.close()
  }
})

async function tell(client: RedisClient, { text }: RedisOrder): Promise<void> {
  const facts = redisFacts(await client.command(['INFO']))
  if (facts === undefined) throw databaseFailed(`${text} does not say its version in INFO`)
  writeOutput(Buffer.from(JSON.stringify(facts)))
}
