// Ten times as many files in a source cost a run no more memory: no list of them is ever whole.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { peakMemoryOf } from '../support/peak-memory.ts'
import { World } from '../support/world.ts'

let world: World
afterEach(() => world.close())

it('a run over 200 000 files needs less than 50 MB more than one over 20 000 [F53]', async () => {
  world = await World.make([{}])
  const peak = async (upTo: number, from: number): Promise<number> => {
    for (let number = from; number < upTo; number += 1) {
      const folder = join(world.source, `folder-${Math.floor(number / 1_000)}`)
      if (number % 1_000 === 0) mkdirSync(folder)
      writeFileSync(join(folder, `file-${number}`), '')
    }
    return peakMemoryOf(['run', '--config', await world.writeEnv()])
  }
  const few = await peak(20_000, 0)
  const many = await peak(200_000, 20_000)
  expect(many - few).toBeLessThan(50_000_000)
}, 600_000)
