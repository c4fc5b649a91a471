// Somebody with our own rights swaps a folder of the target for a link, again and again, while it is written: whatever
// becomes of the restore, nothing appears where the link leads.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createUnpacker } from '../../src/compose-unpacker.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { archiveOf, inChunks } from '../support/make-archive.ts'
import { folderMember, member, symlinkMember, tarOf } from '../support/evil-tar.ts'
import { removeTree } from '../support/tree.ts'

const FILES = 3_000
const RACER = `
  const { renameSync, symlinkSync, unlinkSync } = require('node:fs')
  const [folder, outside] = process.argv.slice(1)
  let swaps = 0
  process.on('SIGTERM', () => { console.log(swaps); process.exit() })
  const swap = () => {
    for (let turn = 0; turn < 50; turn += 1) {
      try { renameSync(folder, folder + '.aside') } catch { continue }
      try { symlinkSync(outside, folder); swaps += 1 } catch {}
      try { unlinkSync(folder) } catch {}
      try { renameSync(folder + '.aside', folder) } catch {}
    }
    setImmediate(swap)
  }
  console.log('racing')
  swap()`

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'spillway-race-'))
})
afterEach(() => removeTree(base))

it('a folder that is swapped for a link while it is restored leads nothing out [F91]', async () => {
  const [outside, target] = [join(base, 'outside'), join(base, 'target')]
  mkdirSync(outside)
  writeFileSync(join(outside, 'f0'), 'must not change')
  const files = Array.from({ length: FILES }, (_, number) =>
    number % 10 === 9
      ? symlinkMember(`d/f${number}`, 'x')
      : member({ name: `d/f${number}`, content: 'written by the archive' }),
  )
  const archive = await archiveOf(tarOf(folderMember('./'), folderMember('d/'), ...files))
  let swaps = 0
  for (let round = 0; round < 5; round += 1) {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target)
    const racer = spawn(process.execPath, ['-e', RACER, join(target, 'd'), outside])
    const said: string[] = []
    racer.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
    await once(racer.stdout, 'data')

    await createUnpacker()
      .unpack({ archive: inChunks(archive), directory: target }, new AbortController().signal)
      .catch((error: unknown) => {
        if (!(error instanceof SpillwayError)) throw error
      })

    racer.kill('SIGTERM')
    await once(racer, 'close')
    swaps += Number(said.at(-1))
    expect(readdirSync(outside)).toEqual(['f0'])
  }
  // A race that nobody ran proves nothing.
  expect(swaps).toBeGreaterThan(50)
}, 60_000)
