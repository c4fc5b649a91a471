// Listings that never end, from servers that make up pages as they are asked.

import { expect, it } from 'vitest'
import { listObjects, listUploadsOf } from '../../src/storage/s3-list.ts'
import type { S3Caller } from '../../src/storage/s3-caller.ts'

const signal = new AbortController().signal

type Page = { readonly keys: readonly string[]; readonly isLast?: boolean }

/** Asks for pages the way S3 gives them, each with a token of its own. */
function callerOf(pageOf: (page: number) => Page): S3Caller & { asked: number } {
  const caller = {
    place: 'server 1',
    asked: 0,
    call() {
      const { keys, isLast = false } = pageOf(caller.asked)
      caller.asked += 1
      return Promise.resolve({
        IsTruncated: !isLast,
        NextContinuationToken: `token ${caller.asked}`,
        NextKeyMarker: `token ${caller.asked}`,
        Contents: keys.map((Key) => ({ Key, Size: 1 })),
        Uploads: keys.map((Key) => ({ Key, UploadId: '1' })),
      })
    },
  }
  return caller as unknown as S3Caller & { asked: number }
}

async function listed(caller: S3Caller): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listObjects(caller, { bucket: 'b', prefix: '', signal }))
    keys.push(key)
  return keys
}

it('pages without keys are followed some times, and no further [F93a]', async () => {
  const endless = callerOf(() => ({ keys: [] }))
  await expect(listed(endless)).rejects.toMatchObject({
    code: 'SERVER_NOT_S3',
    message: 'server 1: 21 pages of the listing after another are empty',
  })
  expect(endless.asked).toBe(21)
  const some = callerOf((page) => ({
    keys: page % 20 === 19 ? [`k${page}`] : [],
    isLast: page > 60,
  }))
  expect(await listed(some)).toEqual(['k19', 'k39', 'k59'])
})

it('a page that begins as an earlier one did ends the listing, whatever its token says [F93a]', async () => {
  const circle = callerOf((page) => ({ keys: [`k${page % 3}`, 'z'] }))
  await expect(listed(circle)).rejects.toMatchObject({
    code: 'SERVER_NOT_S3',
    message: 'server 1: two pages of the listing begin with k0',
  })
  expect(circle.asked).toBe(4)
})

it('one that makes up keys for ever is ended as well [F93a]', async () => {
  const liar = callerOf((page) => ({ keys: [`k${page}`] }))
  await expect(listed(liar)).rejects.toMatchObject({ code: 'SERVER_NOT_S3' })
  expect(liar.asked).toBe(100_000)
})

it('keys in an order of the server’s own are taken as they come', async () => {
  const pages = [['k5', 'k1'], ['k0', 'k9'], ['k3']]
  const storj = callerOf((page) => ({ keys: pages[page]!, isLast: page === 2 }))
  expect(await listed(storj)).toEqual(pages.flat())
})

it('a page that is empty, and names no next one, is no end: neither objects nor uploads are taken for none', async () => {
  const lost = () => {
    const call = () => Promise.resolve({ IsTruncated: true, Contents: [], Uploads: [] })
    return { place: 'server 1', call } as unknown as S3Caller & { asked: number }
  }
  await expect(listed(lost())).rejects.toMatchObject({ code: 'SERVER_NOT_S3' })
  const uploads = listUploadsOf(lost(), { bucket: 'b', key: 'k', signal })
  await expect(uploads.next()).rejects.toMatchObject({ code: 'SERVER_NOT_S3' })
})

it('listings of uploads end, too', async () => {
  const endless = callerOf(() => ({ keys: ['k'] }))
  const uploads = listUploadsOf(endless, { bucket: 'b', key: 'k', signal })
  const all = (async () => {
    for await (const upload of uploads) expect(upload.key).toBe('k')
  })()
  await expect(all).rejects.toMatchObject({ code: 'SERVER_NOT_S3' })
  expect(endless.asked).toBe(2)
})
