import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { mapAhead } from '../../src/lib/map-ahead.ts'

async function* failing(...items: readonly number[]) {
  yield* items
  throw new Error('no more')
}

async function taken(
  results: AsyncIterable<number>,
): Promise<{ readonly got: readonly number[]; readonly error: unknown }> {
  const got: number[] = []
  try {
    for await (const each of results) got.push(each)
    return { got, error: undefined }
  } catch (error) {
    return { got, error }
  }
}

const slowly = async (item: number): Promise<number> => {
  await setImmediate()
  return item * 10
}

it('gives the results of all items that came before one could not be had', async () => {
  for (const ahead of [1, 2, 3, 8])
    expect(await taken(mapAhead(failing(1, 2, 3, 4), slowly, ahead))).toEqual({
      got: [10, 20, 30, 40],
      error: new Error('no more'),
    })
})

it('tells the first failure in their order, and begins nothing behind it', async () => {
  const begun: number[] = []
  const work = async (item: number): Promise<number> => {
    begun.push(item)
    if (item === 2) throw new Error('not 2')
    return slowly(item)
  }
  expect(await taken(mapAhead(failing(1, 2, 3, 4, 5, 6), work, 2))).toEqual({
    got: [10],
    error: new Error('not 2'),
  })
  expect(begun).toEqual([1, 2, 3])
})

it('ends its source and waits for what is under way when nobody wants more', async () => {
  let isEnded = false
  let under = 0
  async function* endless() {
    try {
      for (let item = 1; ; item += 1) yield item
    } finally {
      isEnded = true
    }
  }
  const work = async (item: number): Promise<number> => {
    under += 1
    const result = await slowly(item)
    under -= 1
    return result
  }
  for await (const each of mapAhead(endless(), work, 4)) if (each === 20) break
  expect([isEnded, under]).toEqual([true, 0])
})
