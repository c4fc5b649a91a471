// A tree with everything that tar can carry, archived by Spillway, unpacked by GNU tar, by bsdtar and by
// Spillway, and compared by the tools of the system: getfattr, getfacl, getcap, stat with block counts.
// Needs root: capabilities, labels, owners and device nodes are its own to set.

import { execFileSync, spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryFolders } from '../pack/in-process.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')
const newFolder = temporaryFolders()

const TREE = String.raw`
cp /bin/true capable; chown 1000:1001 capable; chmod 4755 capable
setcap cap_net_raw,cap_net_admin+ep capable
echo content > plain
printf 'every kind' > f; ln f hard; chown 4711:4712 f; chmod 640 f
setfattr -n user.text -v value f; setfattr -n user.empty f
setfattr -n user.binary -v 0x000aff3d2500 f
setfattr -n trusted.of-root -v t f
setfattr -n security.selinux -v 0x73797374656d5f753a6f626a6563745f723a6574635f743a733000 f
setfacl -m u:1000:rwx,u:2000000000:r,g:1001:rx f
mkdir -p d/below; setfacl -m g:1001:rwx d; setfacl -d -m u:1000:rwx,g:1001:rx d
touch d/inherits d/below/not; setfattr -n user.of-folder -v d d
ln -s f link; setfattr -h -n trusted.of-link -v l link; chown -h 1000:1001 link
mkfifo fifo; setfacl -m u:1000:rw fifo; setfattr -n trusted.of-fifo -v f fifo
mknod null c 1 3; mknod block b 7 200; setfacl -m g:1001:rw null
truncate -s 1T hole
truncate -s 3M sparse
for at in 0 1048576 3145727; do printf x | dd of=sparse bs=1 seek=$at conv=notrunc status=none; done
truncate -s 2000001 odd-end; printf abc | dd of=odd-end bs=1 seek=1000000 conv=notrunc status=none
printf x | dd of="$(printf 'sp\377arse')" bs=1 seek=5000000 status=none
printf x | dd of="$(printf 'l%.0s' $(seq 200))" bs=1 seek=5000000 status=none
setfattr -n user.of-sparse -v too sparse
find . -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
touch -d '2002-02-03 04:05:06.000000001' d sparse
chattr +d odd-end
`

// bsdtar 3.6 cuts ids in ACLs at 2^31 - 1 (GNU tar and Spillway do not), and leaves the folder that it unpacks into as it is, so what is compared is what lies in it.
const DESCRIBE = String.raw`
find . -mindepth 1 -print0 | LC_ALL=C sort -z | while IFS= read -r -d '' f; do
  if [ -d "$f" ] && [ ! -L "$f" ]; then format='%n %F %a %u:%g %y'; else format='%n %F %a %u:%g %s bytes %b blocks %h links %t:%T %y'; fi
  stat -c "$format" -- "$f"
  getfattr -h -d -m - -e hex -- "$f" | grep -av '^#' | LC_ALL=C sort
  [ -L "$f" ] || getfacl -n -p -- "$f" | grep -av '^#'
  [ -L "$f" ] || getcap -- "$f"
  if [ -f "$f" ] && [ "$(stat -c %s -- "$f")" -lt 100000000 ]; then sha256sum < "$f"; fi
done
`

function bash(script: string, cwd: string): string {
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' }
  const options = { cwd, env, maxBuffer: 64_000_000 }
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-euc', script], options)
  if (status !== 0 || stderr.length > 0) throw new Error(`${status}: ${stderr.toString()}`)
  return stdout.toString('latin1')
}

it('comes back from GNU tar, from bsdtar and from Spillway as it was [F60]', () => {
  const base = newFolder()
  const { source, config, archive } = packed(base)
  const expected = bash(DESCRIBE, source)
  expect(expected).toContain('cap_net_admin,cap_net_raw=ep')
  expect(expected).toContain('1099511627776 bytes 0 blocks')

  const back = (name: string) => {
    mkdirSync(join(base, name))
    return join(base, name)
  }
  const gnu = back('gnu')
  execFileSync('tar', [
    ...['--zstd', '--acls', '--selinux', '--xattrs', '--xattrs-include=*'],
    ...['--numeric-owner', '-xpf', archive, '-C', gnu],
  ])
  expect(bash(DESCRIBE, gnu)).toBe(expected)
  const bsd = back('bsd')
  execFileSync('bsdtar', ['--numeric-owner', '-xpf', archive, '-C', bsd])
  expect(bash(DESCRIBE, bsd)).toBe(expected)
  const own = back('own')
  execFileSync(process.execPath, [
    PROGRAM,
    'restore',
    'latest:tree',
    '--to',
    own,
    '--config',
    config,
  ])
  expect(bash(DESCRIBE, own)).toBe(expected)
}, 120_000)

it('a user gets what a user may have, and a warning that names each member for the rest', () => {
  const base = newFolder()
  const { config } = packed(base)
  // The installation is a normal user's now.
  for (const path of ['.env', 'data', 'store'])
    execFileSync('chown', ['-R', '65534:65534', join(base, path)])
  chownSync(base, 65_534, 65_534)

  const out = join(base, 'out')
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [PROGRAM, 'restore', 'latest:tree', '--to', out, '--config', config],
    { uid: 65_534, gid: 65_534, encoding: 'utf8', cwd: base, env: { PATH: process.env['PATH'] } },
  )

  const said = stdout + stderr
  expect(status, said).toBe(3)
  expect(said).toMatch(
    /capable: its attribute security\.capability could not be restored: only root/,
  )
  expect(said).toMatch(/f: its attribute trusted\.of-root could not be restored: only root/)
  expect(said).toMatch(/link: its attribute trusted\.of-link could not be restored: only root/)
  const attributes = bash('getfattr -d -m user. f; getfacl -n -p f', out)
  expect(attributes).toContain('user.text="value"')
  expect(attributes).toContain('user:1000:rwx')
}, 120_000)

function packed(base: string) {
  const source = join(base, 'source')
  mkdirSync(source)
  mkdirSync(join(base, 'store'))
  bash(TREE, source)
  const config = join(base, '.env')
  writeFileSync(config, envOf(source, base), { mode: 0o600 })
  const report = execFileSync(process.execPath, [PROGRAM, 'run', '--json', '--config', config], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [archived] = (JSON.parse(report) as { archives: readonly unknown[] }).archives
  expect(archived).toMatchObject({
    warnings: [],
    notes: [{ path: 'odd-end', reason: 'has flags that no tar keeps: no dump (d)' }],
  })
  const archive = readdirSync(join(base, 'store'), { recursive: true, encoding: 'utf8' }).find(
    (path) => path.endsWith('.tar.zst'),
  )!
  return { source, config, archive: join(base, 'store', archive) }
}

function envOf(source: string, base: string): string {
  return [
    'SERVER_ID=host',
    `DATA_DIR=${base}/data`,
    `S3_SERVER_1_ENDPOINT=file://${base}/store`,
    `SOURCE_1_PATH=${source}`,
    'SOURCE_1_NAME=tree',
    '',
  ].join('\n')
}
