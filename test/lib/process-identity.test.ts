import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import { isAlive, ownIdentity, startTicksOf } from '../../src/lib/process-identity.ts'

it('knows this process, and not one that began at another time under the same number', () => {
  const own = ownIdentity()
  expect(isAlive(own)).toBe(true)
  expect(isAlive({ ...own, startTicks: String(Number(own.startTicks) - 1) })).toBe(false)
  expect(isAlive({ ...own, bootId: 'another' })).toBe(false)
  expect(isAlive({ ...own, namespace: 'another' })).toBe(undefined)
})

it('one that was killed, and that nobody has asked for yet, is no more', async () => {
  // The shell becomes a program that never asks for its child.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'])
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    // Until then it is a shell, which asks for its children before its next command.
    await vi.waitFor(() => expect(nameOf(parent.pid!)).toBe('sleep'), 10_000)
    const startTicks = startTicksOf(pid)
    expect(isAlive({ pid, startTicks })).toBe(true)
    expect(isAlive({ pid, startTicks: undefined })).toBe(true)
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(stateOf(pid)).toBe('Z'), 10_000)
    expect(isAlive({ pid, startTicks })).toBe(false)
    expect(isAlive({ pid, startTicks: undefined })).toBe(false)
    expect(startTicksOf(pid)).toBe(undefined)
  } finally {
    parent.kill('SIGKILL')
    await once(parent, 'exit')
  }
})

it('one whose first thread has ended is alive as long as another works: it holds its files and locks', async () => {
  const script = `
    new (require('node:worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true })
      .once('online', () => require('koffi').load(null).func('void pthread_exit(void *)')(null))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit'] })
  try {
    const pid = child.pid!
    const startTicks = startTicksOf(pid)
    await vi.waitFor(() => expect(stateOf(pid)).toBe('Z'), 10_000)
    expect(isAlive({ pid, startTicks })).toBe(true)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

it('is not fooled by a name with spaces and brackets', async () => {
  const script = 'printf %s "a) Z 1 (b" > /proc/self/comm; cat /proc/$$/comm; read -r line'
  const named = spawn('sh', ['-c', script])
  try {
    const [line] = (await once(named.stdout, 'data')) as [Buffer]
    expect(line.toString()).toBe('a) Z 1 (b\n')
    expect(isAlive({ pid: named.pid!, startTicks: startTicksOf(named.pid!) })).toBe(true)
    expect(startTicksOf(named.pid!)).toMatch(/^\d+$/)
  } finally {
    named.stdin.end()
    await once(named, 'exit')
  }
})

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) (.).*$/su, '$1')
}
