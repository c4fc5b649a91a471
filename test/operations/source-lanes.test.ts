import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { inLanes } from '../../src/operations/source-lanes.ts'
import { roomInSpool } from '../../src/operations/spool.ts'
import { SpoolShares } from '../../src/operations/spool-shares.ts'
import type { ArchiveId } from '../../src/domain/archive.ts'

it('never has more at work than there are lanes, does each once, and what asks for it once more alone, in any order of events', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.boolean(), { maxLength: 9 }),
      fc.scheduler(),
      async (lanes, asksAgain, scheduler) => {
        const items = asksAgain.map((asks, number) => ({ asks, number }))
        const atWork = new Set<number>()
        const done: number[] = []
        const all = inLanes(items, lanes, async ({ asks, number }, isAlone) => {
          expect(atWork.size).toBeLessThan(isAlone ? 1 : lanes)
          atWork.add(number)
          await scheduler.schedule(Promise.resolve())
          atWork.delete(number)
          if (!asks || isAlone) {
            done.push(number)
            return 'done'
          }
          const again = async (): Promise<void> => {
            expect(atWork.size).toBe(0)
            atWork.add(number)
            await scheduler.schedule(Promise.resolve())
            atWork.delete(number)
            done.push(number)
          }
          return { again }
        })
        await scheduler.waitFor(all)
        expect(done.toSorted((a, b) => a - b)).toEqual(items.map(({ number }) => number))
      },
    ),
  )
})

it('begins nothing more after a failure, and rejects with the first one when all that was begun has ended', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 4 }), fc.scheduler(), async (lanes, scheduler) => {
      const failures: Error[] = []
      const atWork = new Set<number>()
      const all = inLanes([0, 1, 2, 3, 4, 5, 6], lanes, async (number) => {
        expect(failures).toEqual([])
        atWork.add(number)
        await scheduler.schedule(Promise.resolve())
        atWork.delete(number)
        const again = () => Promise.reject(new Error('is done although the run has ended'))
        if (number % 3 !== 0) return number === 1 ? { again } : 'done'
        const failure = new Error(`of ${number}`)
        failures.push(failure)
        throw failure
      })
      const reason = await scheduler.waitFor(all.catch((error: unknown) => error))
      expect(reason).toBe(failures[0])
      expect(atWork.size).toBe(0)
    }),
  )
})

it('what archives may take of the spool at the same time is never more than its limit, however they come, grow and go', async () => {
  const limitBytes = 1_000
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(
        fc.record({
          source: fc.integer({ min: 0, max: 3 }),
          expectedBytes: fc.option(fc.integer({ min: 0, max: 600 }), { nil: undefined }),
          /** Of its share, when it ends. */
          filled: fc.double({ min: 0, max: 1, noNaN: true }),
          waits: fc.boolean(),
          /** While it is still being sent: its row says that it waits. */
          isPacked: fc.boolean(),
        }),
        { maxLength: 30 },
      ),
      async (lanes, steps) => {
        const shares = new SpoolShares(lanes, steps.length)
        const taken = new Map<string, { id: ArchiveId; bytes: number }>()
        const waiting = new Map<ArchiveId, number>()
        for (const [
          number,
          { source, expectedBytes, filled, waits, isPacked },
        ] of steps.entries()) {
          const name = `source-${source}`
          const own = taken.get(name)
          if (own !== undefined) {
            waiting.delete(own.id)
            if (waits) waiting.set(own.id, Math.floor(own.bytes * filled))
            taken.delete(name)
            shares.giveBack(name)
          } else if (taken.size < lanes) {
            const id = `id-${number}`
            const wanted = { source: name, archiveId: id, expectedBytes, isAlone: lanes === 1 }
            const bytes = await shares
              .take(wanted, (beside) =>
                roomInSpool({
                  ...{ spoolDir: '/tmp', limitBytes, expectedBytes, beside },
                  waitingBytes: [...waiting]
                    .filter(([each]) => !beside.archiveIds.has(each))
                    .reduce((sum, [, each]) => sum + each, 0),
                }),
              )
              .catch(() => undefined)
            if (bytes !== undefined) taken.set(name, { id, bytes })
            if (bytes !== undefined && isPacked) waiting.set(id, Math.floor(bytes * filled))
          }
          const active = [...taken.values()]
          const used = active.reduce((sum, each) => sum + each.bytes, 0)
          const held = [...waiting]
            .filter(([each]) => !active.some(({ id }) => id === each))
            .reduce((sum, [, each]) => sum + each, 0)
          expect(used + held).toBeLessThanOrEqual(limitBytes)
        }
      },
    ),
  )
})
