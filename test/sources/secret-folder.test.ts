// Folders with passwords, and what a killed process left of them. Names that anybody could have made lie
// in /tmp beside them: nothing of others may be removed on the word of a name.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { removeLeftSecrets, SecretFolder } from '../../src/sources/secret-folder.ts'

// Above what Linux gives: nobody has it.
const NOBODY = 2 ** 22 + 1

let parent: string
beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'spillway-test-'))))
afterEach(() => rmSync(parent, { recursive: true, force: true }))

/** As a process with this number, begun at that tick, would have left it. */
function leave(pid: number | string, start: number | string): string {
  const path = join(parent, `.spillway-secrets-${pid}-${start}-abcdef`)
  mkdirSync(path, { mode: 0o700 })
  writeFileSync(join(path, 'client.cnf'), 'password=x', { mode: 0o600 })
  return path
}

it('keeps what a living process uses, and removes what a dead one left', () => {
  const used = new SecretFolder(parent)
  used.write('client.cnf', 'password=x')
  const left = leave(NOBODY, 1)
  removeLeftSecrets(parent, false)
  expect(existsSync(join(used.path, 'client.cnf'))).toBe(true)
  expect(existsSync(left)).toBe(false)
  removeLeftSecrets(parent, true)
  expect(existsSync(used.path)).toBe(false)
})

it('is not fooled by a process that has got the number of the dead one', () => {
  const [, pid = '', start = ''] = /-(\d+)-(\d+)-/.exec(basename(new SecretFolder(parent).path))!
  expect(Number(pid)).toBe(process.pid)
  const left = leave(pid, Number(start) + 1)
  removeLeftSecrets(parent, false)
  expect(existsSync(left)).toBe(false)
})

it('follows no link, and removes nothing that others could have filled', () => {
  const victim = join(parent, 'victim')
  mkdirSync(victim)
  writeFileSync(join(victim, 'precious'), '')
  symlinkSync(victim, join(parent, `.spillway-secrets-${NOBODY}-1-link00`))
  const open = leave(NOBODY, 2)
  renameSync(join(open, 'client.cnf'), join(open, 'precious'))
  chmodSync(open, 0o777)
  const file = join(parent, `.spillway-secrets-${NOBODY}-3-file00`)
  writeFileSync(file, '')
  removeLeftSecrets(parent, true)
  for (const path of [join(victim, 'precious'), join(open, 'precious'), file])
    expect(existsSync(path), path).toBe(true)
})
