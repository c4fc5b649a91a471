// What systemd is told, heard by a listener at a socket as it has one.

import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { expect, it } from 'vitest'
import { ServiceManager } from '../../src/daemon/service-manager.ts'

// Node has no datagrams between processes of one machine; Perl is on every Debian.
const LISTENER = `
  use Socket; $| = 1;
  my $name = $ARGV[0]; $name =~ s/^@/\\0/;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($s, sockaddr_un($name)) or die $!;
  print "listening\\n";
  while (defined recv($s, my $text, 4096, 0)) { $text =~ s/\\n/ /g; print "$text\\n" }`
const hasPerl = spawnSync('perl', ['-e', '1']).status === 0
if (!hasPerl) console.warn('SKIPPED: perl is not here, so nobody listens as systemd does')

it.runIf(hasPerl).each(['path', 'abstract'])(
  'hears at a socket with %s name that the daemon is ready, alive and stopping',
  async (kind) => {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
    const socket = kind === 'path' ? join(folder, 'notify') : `@spillway-test-${process.pid}`
    const listener = spawn('perl', ['-e', LISTENER, socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: listener.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<string> => ((await lines.next()) as { value: string }).value
    const said: string[] = []
    try {
      expect(await next()).toBe('listening')
      const manager = new ServiceManager({
        socket,
        watchdogMs: 100,
        log: (line) => said.push(line),
      })
      manager.ready('listening on port 1')
      expect(await next()).toBe(`READY=1 STATUS=listening on port 1 MAINPID=${process.pid}`)
      expect(await next()).toBe('WATCHDOG=1')
      expect(await next()).toBe('WATCHDOG=1')
      manager.stopping()
      for (let line = await next(); line !== 'STOPPING=1'; line = await next())
        expect(line).toBe('WATCHDOG=1')
      expect(said).toEqual([])
    } finally {
      listener.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

it('a manager that has gone is a line in the log, and no reason to end', () => {
  const said: string[] = []
  const manager = new ServiceManager({
    ...{ socket: '/nowhere/notify', watchdogMs: undefined },
    log: (line) => said.push(line),
  })
  manager.ready('x')
  expect(said).toEqual([expect.stringMatching(/^systemd cannot be told .* ENOENT/)])
})
