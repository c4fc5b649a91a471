// Parts of one upload take turns: fewer after each refusal, one more after a row that was taken.

import { expect, it } from 'vitest'
import { PartRoom } from '../../src/storage/part-room.ts'

const never = new AbortController().signal

it('halves with each refusal, and grows by one after rows that become longer', async () => {
  const room = new PartRoom(4)
  const rows = [
    ...[await inside(room), await refused(room), await inside(room), await refused(room)],
    await inside(room),
  ]
  expect(rows).toEqual([4, undefined, 2, undefined, 1])
  // Eight, doubled twice.
  await taken(room, 31)
  expect(await inside(room)).toBe(1)
  await taken(room, 1)
  expect(await inside(room)).toBe(2)
  await taken(room, 64)
  expect(await inside(room)).toBe(4)
  await taken(room, 64)
  expect(await inside(room)).toBe(4)
})

it('lets in whoever waits, in the order of asking', async () => {
  const room = new PartRoom(1)
  await room.enter(never)
  const order: number[] = []
  const all = [1, 2, 3].map((number) =>
    room.enter(never).then(() => {
      order.push(number)
      room.leave('taken')
    }),
  )
  room.leave('failed')
  await Promise.all(all)
  expect(order).toEqual([1, 2, 3])
})

it('keeps no place for who was told to stop while it waited', async () => {
  const room = new PartRoom(1)
  await room.enter(never)
  const stop = new AbortController()
  const waits = room.enter(stop.signal)
  const next = room.enter(never)
  stop.abort()
  await expect(waits).rejects.toMatchObject({ code: 'INTERRUPTED' })
  room.leave('taken')
  await next
  await expect(room.enter(stop.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' })
})

async function refused(room: PartRoom): Promise<undefined> {
  await room.enter(never)
  room.leave('refused')
  return undefined
}

async function taken(room: PartRoom, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) {
    await room.enter(never)
    room.leave('taken')
  }
}

/** How many get in before one has to wait. */
async function inside(room: PartRoom): Promise<number> {
  const stop = new AbortController()
  let count = 0
  const entering = Array.from({ length: 9 }, () =>
    room.enter(stop.signal).then(
      () => void (count += 1),
      () => {},
    ),
  )
  await Promise.resolve()
  stop.abort()
  await Promise.all(entering)
  for (let left = count; left > 0; left -= 1) room.leave('failed')
  return count
}
