// Servers that cannot be reached, fall silent, drip, or break connections.

import { randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { createRateLimit } from '../../src/storage/rate-limit.ts'
import { isProvenBy } from '../../src/storage/storage.ts'
import {
  collect,
  FAST_LIMITS,
  failureFrom,
  listed,
  never,
  NO_PROXY,
  partBody,
  s3Server,
} from '../support/storages.ts'
import { openWorld, PART_BYTES, putPart, store, TOKEN } from './faults.ts'
import type { FaultyWorld } from './faults.ts'

const worlds: FaultyWorld[] = []
const open: typeof openWorld = async (input) => {
  const world = await openWorld(input)
  worlds.push(world)
  return world
}
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

const beginIn = ({ storage, key }: FaultyWorld) => storage.begin({ key, token: TOKEN }, never)

describe('a server that cannot be reached', () => {
  it('is unreachable when it refuses connections, after one repeat [F20]', async () => {
    const world = await open()
    await world.proxy.close()

    const failure = await failureFrom(beginIn(world))

    expect(failure).toMatchObject({ code: 'SERVER_UNREACHABLE', facts: { code: 'ECONNREFUSED' } })
    expect(failure.message).toContain(`${new URL(world.proxy.endpoint).host}/archives`)
  })

  it('is unreachable when its name does not exist [F47a]', async () => {
    const entry = { endpoint: 'http://spillway-test.invalid:9000', bucket: 'b', keys: KEYS }
    const failure = await failureFrom(standalone(entry).head('k', never))
    expect(failure.code).toBe('SERVER_UNREACHABLE')
    expect(failure.facts['code']).toMatch(/ENOTFOUND|EAI_AGAIN/)
  })

  it('is unreachable when the TLS handshake is never answered', async () => {
    const hole = await blackHole()
    const entry = { endpoint: `https://127.0.0.1:${hole.port}`, bucket: 'b', keys: KEYS }
    const begun = performance.now()

    const failure = await failureFrom(standalone(entry).head('k', never))

    const tookMs = performance.now() - begun
    expect(failure).toMatchObject({ code: 'SERVER_UNREACHABLE', facts: { code: 'TimeoutError' } })
    expect(tookMs).toBeGreaterThan(FAST_LIMITS.connectMs)
    expect(tookMs).toBeLessThan(4 * FAST_LIMITS.connectMs)
    hole.close()
  })

  it('is unreachable when its host takes no more connections [F22]', async () => {
    const full = await fullListener()
    const entry = { endpoint: `http://127.0.0.1:${full.port}`, bucket: 'b', keys: KEYS }
    const failure = await failureFrom(standalone(entry).head('k', never))
    full.close()
    expect(failure).toMatchObject({ code: 'SERVER_UNREACHABLE', facts: { code: 'TimeoutError' } })
  })

  it('is silent when it takes connections and never says a word [F21]', async () => {
    const hole = await blackHole()
    const entry = { endpoint: `http://127.0.0.1:${hole.port}`, bucket: 'b', keys: KEYS }
    const failure = await failureFrom(standalone(entry).head('k', never))
    expect(failure).toMatchObject({ code: 'SERVER_SILENT', facts: { code: 'TimeoutError' } })
    expect(hole.connections()).toBe(1)
    hole.close()
  })
})

describe('a server that falls silent', () => {
  it.each([
    { where: 'after the head of a part', fault: { kind: 'hang', afterBytes: 0 } },
    { where: 'in the middle of a part', fault: { kind: 'hang', afterBytes: 100_000 } },
    { where: 'before its answer', fault: { kind: 'hang' } },
  ] as const)('is given up $where, without a repeat [F21]', async ({ fault }) => {
    const world = await open({ rules: [{ operation: 'UploadPart', fault }] })
    const upload = await beginIn(world)
    // More than the buffers of both kernels take, or the stall would not be felt.
    const bytes = randomBytes(12 * 1024 * 1024)
    const begun = performance.now()

    const failure = await failureFrom(putPart(world.storage, upload, 1, bytes))

    expect(failure).toMatchObject({ code: 'SERVER_SILENT', facts: { code: 'TimeoutError' } })
    expect(performance.now() - begun).toBeLessThan(3 * FAST_LIMITS.silenceMs)
    expect(world.proxy.fired()).toEqual([1])
  })

  it('counts as silent when its answer drips [F26]', async () => {
    const fault = { kind: 'drip', bytes: 3, everyMs: 20 } as const
    const world = await open({ rules: [{ operation: 'Create', fault }] })
    expect(await failureFrom(beginIn(world))).toMatchObject({ code: 'SERVER_SILENT' })
    world.proxy.assertFired()
  })

  it('is given up while an object is read [F21]', async () => {
    const world = await open()
    await store(world, randomBytes(3 * PART_BYTES))
    world.proxy.add({ operation: 'Get', fault: { kind: 'hang' } })
    const failure = await failureFrom(collect(world.storage.read(world.key, undefined, never)))
    expect(failure).toMatchObject({ code: 'SERVER_SILENT' })
    expect(world.proxy.fired()).toEqual([1])
  })

  it('is given up when an object drips, however long a byte comes every time [F26]', async () => {
    const world = await open()
    await store(world, randomBytes(3 * PART_BYTES))
    const fault = { kind: 'drip-answer', bytes: 50, everyMs: 100 } as const
    world.proxy.add({ operation: 'Get', fault })
    const begun = performance.now()

    const failure = await failureFrom(collect(world.storage.read(world.key, undefined, never)))

    expect(failure).toMatchObject({ code: 'SERVER_SILENT', facts: { code: 'TimeoutError' } })
    expect(failure.message).toMatch(/it drips: \d+ bytes a second/)
    expect(performance.now() - begun).toBeLessThan(3 * FAST_LIMITS.silenceMs)
  })

  it('is not given up for a line of 64 kbit/s, of which a read has a quarter', async () => {
    const world = await open()
    const bytes = randomBytes(5_000)
    await store(world, bytes)
    const fault = { kind: 'drip-answer', bytes: 200, everyMs: 100 } as const
    world.proxy.add({ operation: 'Get', fault })

    const got = await collect(world.storage.read(world.key, undefined, never))

    expect(Buffer.from(got).equals(bytes)).toBe(true)
    world.proxy.assertFired()
  })

  it('may take its time over Complete, as long as it shows that it lives [F36b]', async () => {
    const completeMs = 2 * FAST_LIMITS.completeSilenceMs
    const world = await open({ model: { completeBody: 'whitespace', completeMs } })
    await store(world)
    expect((await world.storage.head(world.key, never))?.token).toBe(TOKEN)
  })

  it('is not blamed for our own rate limit', async () => {
    // 40 kB/s: each piece of 64 KiB waits longer than silence may last.
    const rateLimit = createRateLimit(320_000)!
    const world = await open({ rateLimit })
    const upload = await beginIn(world)
    const begun = performance.now()
    await putPart(world.storage, upload, 1, randomBytes(140_000))
    expect(performance.now() - begun).toBeGreaterThan(3 * FAST_LIMITS.silenceMs)
  })

  it('is not blamed for a consumer that takes its time', async () => {
    const world = await open()
    const bytes = randomBytes(3 * PART_BYTES)
    await store(world, bytes)
    const got: Uint8Array[] = []
    for await (const chunk of world.storage.read(world.key, undefined, never)) {
      if (got.length === 0) await new Promise((resolve) => setTimeout(resolve, 1_800))
      got.push(chunk)
    }
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
  })
})

describe('broken connections', () => {
  it.each([
    ['reset', 0],
    ['reset', 1],
    ['reset', 200_000],
    ['close', 0],
    ['close', 200_000],
  ] as const)('are survived in every part: %s after %i bytes [F27a]', async (kind, afterBytes) => {
    const rules = [1, 2, 3].map((partNumber) => {
      const fault = { kind, afterBytes } as const
      return { operation: 'UploadPart', partNumber, times: 1, fault } as const
    })
    const world = await open({ rules: afterBytes > 5_000 ? rules.slice(0, 2) : rules })
    const bytes = randomBytes(2 * PART_BYTES + 5_000)

    await store(world, bytes)

    expect(world.model.bytesOf(world.key).equals(bytes)).toBe(true)
    world.proxy.assertFired()
  })

  it('end the attempt when they come twice for one part, and both are told', async () => {
    const fault = { kind: 'reset', afterBytes: 50_000 } as const
    const world = await open({ rules: [{ operation: 'UploadPart', fault }] })
    const upload = await beginIn(world)

    const failure = await failureFrom(putPart(world.storage, upload))

    expect(failure.code).toBe('SERVER_CLOSED')
    expect(failure.message).toMatch(/and had done so before \((ECONNRESET|EPIPE), then/)
    expect(world.proxy.fired()[0]).toBeLessThanOrEqual(3)
  })

  it('cost nothing when only a kept connection had become old [F27b]', async () => {
    const world = await open({ limits: { repeatDelayMs: 60_000, withoutProgressMs: 1 } })
    await world.storage.head('a', never)
    world.proxy.add({ operation: 'Head', times: 1, fault: { kind: 'reset' } })
    // With these limits any repeat that waits would fail the test.
    expect(await world.storage.head('b', never)).toBeUndefined()
    world.proxy.assertFired()
  })

  it('do not break a read: it goes on where it stopped [F25b]', async () => {
    const world = await open()
    const bytes = randomBytes(8 * PART_BYTES)
    await store(world, bytes)
    const cut = (afterBytes: number) =>
      ({ operation: 'Get', times: 1, fault: { kind: 'cut-answer', afterBytes } }) as const
    world.proxy.add(cut(700_000), cut(1_000), cut(500_000))

    const got = await collect(world.storage.read(world.key, undefined, never))

    expect(got.equals(bytes)).toBe(true)
    expect(world.proxy.requests.filter((operation) => operation === 'Get')).toHaveLength(4)
    world.proxy.assertFired()
  })

  it('are no reason to go on with another object that took its place', async () => {
    const world = await open()
    await store(world, randomBytes(2 * PART_BYTES))
    const cut = { kind: 'cut-answer', afterBytes: 100_000 } as const
    world.proxy.add({ operation: 'Get', times: 1, fault: cut })
    const seeded = async (): Promise<void> =>
      world.model.seed(world.key, randomBytes(2 * PART_BYTES))
    world.proxy.add({ operation: 'Get', fault: { kind: 'wait', until: seeded } })
    const failure = await failureFrom(collect(world.storage.read(world.key, undefined, never)))
    expect(failure.message).toContain('was replaced')
    world.proxy.assertFired()
  })

  it('end a read that makes no progress', async () => {
    const world = await open()
    await store(world)
    world.proxy.add({ operation: 'Get', fault: { kind: 'cut-answer', afterBytes: 0 } })
    const failure = await failureFrom(collect(world.storage.read(world.key, undefined, never)))
    expect(failure.code).toBe('SERVER_CLOSED')
    expect(world.proxy.fired()[0]).toBeLessThan(6)
  })

  const EIGHTHS = Array.from({ length: 8 }, (_, eighth) => eighth)
  it.each(['Create', 'Complete', 'List', 'ListUploads', 'ListParts'] as const)(
    'in any eighth of the answer to %s are survived [F25c]',
    async (operation) => {
      for (const eighth of EIGHTHS) {
        const world = await open()
        const { key, storage, proxy, model } = world
        // As long as the answer was, or nearly: what tells where to cut it.
        const afterBytes = Math.floor((ANSWER_BYTES[operation] * eighth) / 8)
        proxy.add({ operation, times: 1, fault: { kind: 'cut-answer', afterBytes } })
        const bytes = randomBytes(PART_BYTES + 5)
        await store(world, bytes)
        const other = await storage.begin({ key: `${key}-2`, token: TOKEN }, never)
        const uploads = await listed(storage.listUploads(`${key}-2`, never))
        expect(uploads.map(({ uploadId }) => uploadId)).toEqual([other.uploadId])
        await storage.abort(other, never)
        const objects = await listed(storage.list(key, never))
        expect(
          objects.map((object) => object.key),
          `cut after ${afterBytes}`,
        ).toEqual([key])

        proxy.assertFired()
        expect(model.bytesOf(key).equals(bytes)).toBe(true)
        expect(model.count('Complete')).toBe(1)
        // One whose Create was heard only in part is nobody's; `begin` has ended it.
        expect(model.uploads()).toEqual([])
        await world.close()
        worlds.pop()
      }
    },
  )

  it('let the first of two equal parts arrive last, and change nothing [F40b]', async () => {
    const world = await open()
    const bytes = randomBytes(2 * PART_BYTES)
    let letGo = (): void => undefined
    const until = new Promise<void>((resolve) => (letGo = resolve))
    const arrived = new Promise<void>((reached) => {
      const fault = { kind: 'late', until: () => until, reached } as const
      world.proxy.add({ operation: 'UploadPart', partNumber: 2, times: 1, fault })
    })
    const upload = await beginIn(world)
    const receipts = [
      await putPart(world.storage, upload, 1, bytes.subarray(0, PART_BYTES)),
      await putPart(world.storage, upload, 2, bytes.subarray(PART_BYTES)),
    ]
    letGo()
    await arrived

    await world.storage.complete(upload, receipts, never)

    expect(world.model.count('UploadPart')).toBe(3)
    expect(world.model.bytesOf(world.key).equals(bytes)).toBe(true)
    world.proxy.assertFired()
  })

  it('leave one upload when the answer to Create is lost [F40a]', async () => {
    const rule = { operation: 'Create', times: 1, fault: { kind: 'drop-answer' } } as const
    const world = await open({ rules: [rule] })
    const upload = await beginIn(world)
    expect(world.model.uploads().map(({ uploadId }) => uploadId)).toEqual([upload.uploadId])
    world.proxy.assertFired()
  })

  it.each(['UploadPart', 'Abort', 'Delete', 'Head', 'ListParts', 'List'] as const)(
    'are survived when the answer to %s is lost [F40a]',
    async (operation) => {
      const rule = { operation, times: 1, fault: { kind: 'drop-answer' } } as const
      const world = await open({ rules: [rule] })
      const bytes = randomBytes(PART_BYTES + 5)
      const { key, storage } = world
      await store(world, bytes)
      expect(
        isProvenBy(await storage.head(key, never), { token: TOKEN, sizeBytes: bytes.length }),
      ).toBe(true)
      const other = await storage.begin({ key: `${key}-2`, token: TOKEN }, never)
      await storage.abort(other, never)
      for await (const object of storage.list(key, never)) expect(object.key).toBe(key)
      await storage.remove(key, undefined, never)

      expect(world.model.objects()).toEqual([])
      expect(world.model.uploads()).toEqual([])
      world.proxy.assertFired()
    },
  )
})

describe('an abort', () => {
  it('is repeated when parts are still there after the first', async () => {
    const world = await open()
    const upload = await beginIn(world)
    await putPart(world.storage, upload)
    const fault = { kind: 'answer', status: 204 } as const
    world.proxy.add({ operation: 'Abort', times: 1, fault })

    await world.storage.abort(upload, never)

    expect(world.model.uploads()).toEqual([])
    world.proxy.assertFired()
  })

  it('that the server only claims to have done is not believed', async () => {
    const world = await open({
      rules: [{ operation: 'Abort', fault: { kind: 'answer', status: 204 } }],
    })
    const upload = await beginIn(world)
    await putPart(world.storage, upload)
    const failure = await failureFrom(world.storage.abort(upload, never))
    expect(failure).toMatchObject({ code: 'SERVER_REJECTED' })
    expect(failure.message).toContain('still there')
  })
})

describe('an interrupt', () => {
  it('ends a part in the middle, and an abort waits for it', async () => {
    const rule = { operation: 'UploadPart', fault: { kind: 'hang', afterBytes: 50_000 } } as const
    const world = await open({ rules: [rule], limits: { silenceMs: 60_000 } })
    const upload = await beginIn(world)
    const stop = new AbortController()
    const onSent = (): void => stop.abort()
    const part = { number: 1, offsetBytes: 0, body: partBody(randomBytes(PART_BYTES)), onSent }

    const failure = await failureFrom(world.storage.putPart(upload, part, stop.signal))
    expect(failure.code).toBe('INTERRUPTED')
    await world.storage.abort(upload, never)
    expect(world.model.uploads()).toEqual([])
  })

  it('cancels the parts of an upload that is aborted', async () => {
    const rule = { operation: 'UploadPart', fault: { kind: 'hang' } } as const
    const world = await open({ rules: [rule], limits: { silenceMs: 60_000 } })
    const upload = await beginIn(world)
    const part = failureFrom(putPart(world.storage, upload))

    await world.storage.abort(upload, never)

    expect((await part).code).toBe('INTERRUPTED')
    expect(world.model.uploads()).toEqual([])
  })

  it('ends a wait between repeats', async () => {
    const fault = { kind: 'answer', status: 503, code: 'SlowDown' } as const
    const world = await open({
      rules: [{ fault }],
      limits: { repeatDelayMs: 5_000, withoutProgressMs: 60_000 },
    })
    const stop = new AbortController()
    const head = failureFrom(world.storage.head(world.key, stop.signal))
    setTimeout(() => stop.abort(), 200)
    const begun = performance.now()
    expect((await head).code).toBe('INTERRUPTED')
    expect(performance.now() - begun).toBeLessThan(1_500)
  })
})

/** What the model answers, about. */
const ANSWER_BYTES = { Create: 250, Complete: 250, List: 500, ListUploads: 500, ListParts: 350 }

const KEYS = { accessKey: 'model-access-key', secretKey: 'model-secret-key', region: 'us-east-1' }

function standalone(entry: Parameters<typeof s3Server>[0]) {
  const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
  return openStorage(s3Server(entry), options)
}

/** Takes connections and never reads or writes. */
async function blackHole() {
  let connections = 0
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    connections += 1
    sockets.add(socket.on('error', () => {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => {
      server.close()
      sockets.forEach((socket) => socket.destroy())
    },
  }
}

/** A process that listens and never accepts, its queue filled: the kernel drops what else knocks. */
async function fullListener() {
  const program = `
    const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      require('node:fs').writeSync(1, server.address().port + '\\n')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.race(fillers.map((socket) => once(socket, 'connect')))
  return {
    port,
    close: () => {
      fillers.forEach((socket) => socket.destroy())
      child.kill('SIGKILL')
    },
  }
}
