import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createArchiveUses } from '../../src/catalog/archive-use.ts'
import { child, temporaryFolder } from './fixtures.ts'

const ID = '0198c2aa-0000-7000-8000-000000000001'
const OTHER = '0198c2aa-0000-7000-8000-000000000002'

const USE = `
  const { createArchiveUses } = await dist('catalog/archive-use.js')
  const use = createArchiveUses(args[0]).use(args[1])
  console.log(use === undefined ? 'denied' : 'uses')
  await go
  use?.release()
`

it('may be used by several at once, and is claimed by nobody meanwhile', () => {
  const uses = createArchiveUses(temporaryFolder())
  const [first, second] = [uses.use(ID)!, uses.use(ID)!]

  expect(uses.isInUse(ID)).toBe(true)
  expect(uses.claim(ID)).toBeUndefined()
  expect(uses.isInUse(OTHER)).toBe(false)
  first.release()
  first.release()
  expect(uses.claim(ID)).toBeUndefined()
  second.release()

  const claim = uses.claim(ID)!
  expect(uses.use(ID)).toBeUndefined()
  claim.release()
  expect(uses.isInUse(ID)).toBe(false)
})

it('waits for a claim that passes, as a plan takes it to ask', async () => {
  const folder = temporaryFolder()
  const passing = child(
    `
    const { createArchiveUses } = await dist('catalog/archive-use.js')
    const claim = createArchiveUses(args[0]).claim(args[1])
    console.log('claims')
    await go
    console.log('passes')
    setTimeout(() => claim.release(), 50)
  `,
    folder,
    ID,
  )
  await passing.prints('claims')
  passing.start()
  await passing.prints('passes')

  const use = createArchiveUses(folder).use(ID)

  expect(use).toBeDefined()
  use?.release()
  await passing.output
})

it('is seen by other processes, and dies with its own', async () => {
  const folder = temporaryFolder()
  const uses = createArchiveUses(folder)
  const [holder, second] = [child(USE, folder, ID), child(USE, folder, ID)]
  await Promise.all([holder.prints('uses'), second.prints('uses')])
  expect(uses.claim(ID)).toBeUndefined()

  second.start()
  await second.output
  expect(uses.claim(ID)).toBeUndefined()
  holder.process.kill('SIGKILL')
  await holder.output

  const claim = uses.claim(ID)!
  const late = child(USE, folder, ID)
  await late.prints('denied')
  late.start()
  await late.output
  claim.release()
})

it('leaves no file behind once the archive is deleted, and asking makes none', () => {
  const folder = temporaryFolder()
  const uses = createArchiveUses(folder)
  expect(uses.isInUse(ID)).toBe(false)

  const claim = uses.claim(ID)!
  uses.forget(ID)
  claim.release()

  expect(readdirSync(join(folder, 'in-use'))).toEqual([])
})
