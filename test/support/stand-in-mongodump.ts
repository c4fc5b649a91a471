// What stands in for mongodump, which cannot be had here: it takes the same arguments, insists on how it must
// be called, says on its standard error what the real one says (by its source), and writes a given archive.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const TOOL_VERSION = '100.9.4'

/** Returns the path of the program. What it was given lies beside it, as `arguments` and `config`. */
export function standInMongodump(folder: string, archive: Buffer): string {
  writeFileSync(join(folder, 'archive'), archive)
  const path = join(folder, 'stand-in-mongodump')
  writeFileSync(path, SCRIPT.replaceAll('FOLDER', folder), { mode: 0o755 })
  return path
}

const SCRIPT = `#!/bin/bash
if [ "$1" = --version ]; then
  printf 'mongodump version: ${TOOL_VERSION}\\ngit version: 0\\nGo version: go1.21\\n'
  exit
fi
say() { printf '2026-11-21T02:30:00.000+0000\\t%s\\n' "$1" >&2; }
fail() { say "Failed: $1"; exit 1; }
echo "$*" >> FOLDER/arguments
for argument; do
  case $argument in
    --config=*) config=\${argument#--config=} ;;
    --archive) isArchive=1 ;;
    --oplog) ;;
    --db=admin) ;;
    --collection=*) collection=\${argument#--collection=} ;;
    *) fail "it must not be called with $argument" ;;
  esac
done
[ -n "$isArchive" ] || fail 'it must be called with --archive'
[ "$(stat -c %a "$config")" = 600 ] || fail "the mode of $config is not 600"
[ "$(stat -c %a "$(dirname "$config")")" = 700 ] || fail 'the mode of its folder is not 700'
cp "$config" FOLDER/config
password=$(sed -n 's/^password: "\\(.*\\)"$/\\1/p' "$config")
seen=$(tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$$/environ)
if [ -n "$password" ] && [[ $seen == *"$password"* ]]; then
  fail 'the password can be seen by everybody'
fi
if [ -n "$collection" ]; then
  say "namespace with DB admin and collection $collection does not exist"
  exit
fi
say 'writing shop.orders to archive on stdout'
say 'writing shop.by day to archive on stdout'
say '[########................]  shop.orders    500/12345  (4.1%)'
say '.oplog  101'
say ''
cat FOLDER/archive
say 'done dumping shop.orders (12345 documents)'
say 'done dumping shop.by day (1 document)'
say 'writing captured oplog to '
say "$(printf '\\tdumped 2 oplog entries')"
`
