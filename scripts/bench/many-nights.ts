// A catalog of many nights, as the measurements need it: rows as runs write them, of archives that nobody made.

import Database from 'better-sqlite3'
import { join } from 'node:path'
import { FILL_SUMS } from '../../src/catalog/standing-tables.ts'
import { identityOf } from '../../src/domain/server.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import type { Server } from '../../src/domain/server.ts'

const SOURCES = 10
const NIGHTS = 500

/** Of the last 500 nights; each stored on one of the servers. */
export async function fillCatalog(
  dataDir: string,
  archives: number,
  servers: readonly { readonly endpoint: string }[],
): Promise<void> {
  const path = join(dataDir, 'catalog.db')
  const catalog = await openCatalog({ path, host: 'bench' })
  await catalog.registerServers(
    servers.map(({ endpoint }, index) => {
      const identity = identityOf(endpoint, 'bench', '')
      const known = { kind: 's3', bucket: 'bench', prefix: '', label: `${index + 2}: bench` }
      return { ...known, identity, endpoint } as Server
    }),
  )
  await catalog.close()
  const handle = new Database(path)
  const firstSeconds = Math.floor(Date.now() / 1_000) - NIGHTS * 86_400
  const at = (more: number): string =>
    `strftime('%Y-%m-%dT%H:%M:%fZ', ${firstSeconds} + i * ${(NIGHTS * 86_400) / archives} + ${more}, 'unixepoch')`
  handle.exec(`begin;
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${archives})
    insert into archives (id, host, source, source_kind, state, file, key, size_bytes, source_bytes,
      member_count, sha256, started_at, ended_at, stored_copies, first_stored_at)
    select printf('%08x-%04x-7%03x-8000-%012x', 25000000 + i, i % 65536, i % 4096, i), 'bench',
      'source-' || (i % ${SOURCES}), 'folder', 'gone', printf('f-%09d.tar.zst', i),
      printf('bench/f-%09d.tar.zst', i), 1000000, 4000000, 12, hex(randomblob(32)),
      ${at(0)}, ${at(20)}, 1, ${at(30)}
    from n;
    insert into s3_archives (archive_id, server_id, state, key, token, size_bytes, etag, stored_at)
    select id, 1 + rowid % ${servers.length}, 'stored', key, hex(randomblob(16)), 1000000,
      hex(randomblob(16)), first_stored_at from archives;
    update s3_servers set used_bytes =
        (select coalesce(sum(size_bytes), 0) from s3_archives where server_id = s3_servers.id),
      used_copies = (select count(*) from s3_archives where server_id = s3_servers.id);
    ${FILL_SUMS};
    commit`)
  handle.close()
}
