// The history of the files in a catalog of ten years: the first archive of each source is recorded as a run does it,
// and nothing changed since, so that each later one is a row with the next number.

import Database from 'better-sqlite3'
import { comparePaths } from '../../src/pack/member-record.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import type { IndexedMember } from '../../src/pack/member-record.ts'

export const CATALOG_HOST = 'bench'

const FILES = 1_200

export async function recordFirst(path: string, sources: readonly string[]): Promise<void> {
  const handle = new Database(path)
  const first = handle.prepare(
    `select id, host, source from archives where source = ? and state <> 'failed' order by started_at, id limit 1`,
  )
  const found = sources.flatMap(
    (source) => first.get(source) as { id: string; host: string; source: string },
  )
  handle.close()
  const catalog = await openCatalog({ path, host: CATALOG_HOST })
  for (const archive of found)
    await recordMembers(catalog, archive, members(archive.source), new AbortController().signal)
  await catalog.close()
  const again = new Database(path)
  again.pragma('synchronous = OFF')
  again.exec(OTHERS)
  again.pragma('synchronous = FULL')
  again.pragma('wal_checkpoint(truncate)')
  again.close()
}

// Those of deleted ones are let go.
const OTHERS = `begin;
  insert or ignore into history_archives (archive_id, history_id, serial, is_let_go)
  select a.id, h.id, row_number() over (partition by a.source order by a.started_at, a.id),
    a.stored_copies = 0 and a.state = 'gone'
  from archives a join file_histories h on h.source = a.source and h.host = a.host where a.state <> 'failed';
  update history_archives set is_let_go = 1
    where archive_id in (select id from archives where stored_copies = 0 and state = 'gone');
  update file_histories set (generation, attempt) =
    (select max(serial), max(serial) from history_archives where history_id = file_histories.id);
  commit`

async function* members(source: string): AsyncGenerator<readonly IndexedMember[]> {
  const all = Array.from({ length: FILES }, (_, number): IndexedMember => ({
    path: `${source}/folder-${number % 40}/file-${number}.txt`,
    kind: 'file',
    sizeBytes: number * 100,
    mtimeSeconds: 1_735_689_600 + number,
    mtimeNanos: 0,
    mode: 0o644,
    offsetBytes: 0,
    spanBytes: 512,
  }))
  yield all.sort((a, b) => comparePaths(a.path, b.path))
}
