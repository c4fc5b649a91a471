import { expect, it } from 'vitest'
import { answeringPaths } from '../../src/lib/answering-paths.ts'

it('two that ask for the same paths at the same time both hear that they answer', async () => {
  const both = await Promise.all([
    answeringPaths(['/', '/tmp', '/nowhere'], 5_000),
    answeringPaths(['/', '/tmp', '/nowhere'], 5_000),
  ])
  expect(both).toEqual([
    ['/', '/tmp', '/nowhere'],
    ['/', '/tmp', '/nowhere'],
  ])
})

it('a path that hangs is waited for once, and looked at again when that look has come back', async () => {
  let comeBack = (): void => undefined
  let looks = 0
  const look = (): Promise<void> => {
    looks += 1
    return new Promise((resolve) => (comeBack = resolve))
  }
  const both = [answeringPaths(['/hung'], 20, look), answeringPaths(['/hung'], 20, look)]
  expect(await Promise.all(both)).toEqual([[], []])
  // Without waiting: a minute would be longer than this test may take.
  expect(await answeringPaths(['/hung'], 60_000, look)).toEqual([])
  expect(looks).toBe(1)

  comeBack()
  await Promise.resolve()
  expect(await answeringPaths(['/hung'], 5_000, () => Promise.resolve())).toEqual(['/hung'])
})
