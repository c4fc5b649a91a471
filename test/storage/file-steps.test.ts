import { expect, it } from 'vitest'
import { FileSteps } from '../../src/storage/file-steps.ts'

const never = new AbortController().signal

it('asks a disk two things at once at most, in the order in which they come', async () => {
  const steps = new FileSteps('disk', 5_000)
  const begun: number[] = []
  const ends: (() => void)[] = []
  const call = (number: number): Promise<number> =>
    steps.until(never)(() => {
      begun.push(number)
      return new Promise((resolve) => ends.push(() => resolve(number)))
    })
  const all = [1, 2, 3, 4].map(call)
  expect(begun).toEqual([1, 2])
  ends[0]!()
  expect(await all[0]).toBe(1)
  await Promise.resolve()
  expect(begun).toEqual([1, 2, 3])
  ends[1]!()
  ends[2]!()
  expect(await Promise.all(all.slice(1, 3))).toEqual([2, 3])
  ends[3]!()
  expect(await all[3]).toBe(4)
})

it('who waits for a disk that is silent is told so, or leaves when it is told to', async () => {
  const steps = new FileSteps('disk', 30)
  let calls = 0
  const hang = (signal = never): Promise<void> =>
    steps.until(signal)(() => {
      calls += 1
      return new Promise(() => undefined)
    })
  const leaving = new AbortController()
  const all = [hang(), hang(), hang(), hang(leaving.signal)].map((each) =>
    each.catch((error: unknown) => (error as { code: string }).code),
  )
  leaving.abort()
  expect(await Promise.all(all)).toEqual([
    'SERVER_SILENT',
    'SERVER_SILENT',
    'SERVER_SILENT',
    'INTERRUPTED',
  ])
  expect(calls).toBe(2)
})
