// The model server itself, where the contract suite does not reach: what it refuses, and its process.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startS3Model } from './s3-model.ts'
import type { Traffic } from './s3-model-traffic.ts'

it('refuses what is not signed, and signatures that are none', async () => {
  const model = await startS3Model({ keep: 'memory' })
  const url = `${model.endpoint}/archives/key`
  expect((await fetch(url)).status).toBe(403)
  const bad = await fetch(url, { headers: { authorization: 'AWS4-HMAC-SHA256 nonsense' } })
  expect(bad.status).toBe(400)
  expect(await bad.text()).toContain('<Code>AuthorizationHeaderMalformed</Code>')
  await model.close()
})

it('leaves no file behind', async () => {
  // A place of its own: other tests have models of theirs meanwhile.
  const place = await mkdtemp(join(tmpdir(), 'spillway-model-'))
  onTestFinished(() => rm(place, { recursive: true }))
  vi.stubEnv('TMPDIR', place)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const model = await startS3Model()
  model.seed('key', Buffer.from('bytes'))
  expect(await readdir(place)).toHaveLength(1)
  await model.close()
  expect(await readdir(place)).toEqual([])
})

it('runs as a process: one line of JSON, and an end at SIGTERM', async () => {
  const main = join(import.meta.dirname, '../../dist/test/support/s3-model-main.js')
  const child = spawn(process.execPath, [main, '{"buckets":["demo"]}'])
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { endpoint, keys } = JSON.parse(line.toString()) as { endpoint: string; keys: object }
  expect(endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(keys).toMatchObject({ accessKey: 'model-access-key', region: 'us-east-1' })
  expect((await fetch(endpoint)).status).toBe(403)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

it('tells its parent what went over the wire, and ends with it', async () => {
  const main = join(import.meta.dirname, '../../dist/test/support/s3-model-main.js')
  const child = spawn(process.execPath, [main, '{"buckets":["demo"]}'], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const { endpoint } = JSON.parse(line.toString()) as { endpoint: string }
  const traffic = async (): Promise<Traffic> => {
    child.send('traffic')
    return ((await once(child, 'message')) as [Traffic])[0]
  }
  expect(await traffic()).toEqual({ requests: 0, receivedBytes: 0, sentBytes: 0 })
  // One connection that stays open, and one that is closed.
  const agent = new Agent({ keepAlive: true })
  const open = await exchange(endpoint, { agent, method: 'PUT', body: 'x'.repeat(5_000) })
  const first = await traffic()
  expect(first).toEqual({ requests: 1, ...open })
  expect(first.receivedBytes).toBeGreaterThan(5_000)
  const closed = await exchange(endpoint, { agent: new Agent(), method: 'GET', body: '' })
  expect(await traffic()).toEqual({
    requests: 2,
    receivedBytes: open.receivedBytes + closed.receivedBytes,
    sentBytes: open.sentBytes + closed.sentBytes,
  })
  agent.destroy()
  child.disconnect()
  expect(await once(child, 'exit')).toEqual([0, null])
})

/** One request, and what its connection carried, as its client counted it: from the server's side. */
async function exchange(
  endpoint: string,
  given: { readonly agent: Agent; readonly method: string; readonly body: string },
): Promise<Omit<Traffic, 'requests'>> {
  const { agent, method, body } = given
  const asked = request(`${endpoint}/demo/key`, { agent, method })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  const { bytesWritten, bytesRead } = response.socket
  return { receivedBytes: bytesWritten, sentBytes: bytesRead }
}
