// Reads a host's catalog with SQL of its own, beside the product: what the oracle compares with the servers' books.

import Database from 'better-sqlite3'
import type { SimHost } from './sim-host.ts'

export type SeenCopy = {
  readonly id: number
  readonly archiveId: string
  readonly identity: string
  readonly state: string
  readonly key: string
  readonly token: string
  readonly sizeBytes: number
  readonly reservedBytes: number
  /** Something that verifying found, and nobody has settled. */
  readonly hasProblem: 0 | 1
  /** The bytes are known to be wrong, or not there. */
  readonly isDamaged: 0 | 1
}

export type SeenArchive = {
  readonly id: string
  readonly source: string
  readonly state: string
  readonly localPath: string | null
  readonly sizeBytes: number | null
  readonly startedAt: string
  readonly isPinned: 0 | 1
  readonly warningCount: number
}

export type SeenServer = {
  readonly identity: string
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly catalogBytes: number
  readonly otherBytes: number
}

export type SeenSnapshot = {
  readonly identity: string
  readonly key: string
  readonly token: string
  readonly state: string
  readonly sizeBytes: number
}

const COPY = `select c.id, c.archive_id as archiveId, s.identity, c.state, c.key, c.token,
  c.size_bytes as sizeBytes, c.reserved_bytes as reservedBytes,
  exists (select 1 from proof_problems p where p.copy_id = c.id) as hasProblem,
  exists (select 1 from proof_problems p where p.copy_id = c.id
    and (p.place <> 'object' or p.member_count is not null)) as isDamaged
  from s3_archives c join s3_servers s on s.id = c.server_id`

const ARCHIVE = `select id, source, state, local_path as localPath, size_bytes as sizeBytes,
  started_at as startedAt, is_pinned as isPinned, warning_count as warningCount from archives`

const SNAPSHOT = `select s.identity, n.key, n.token, n.state, n.size_bytes as sizeBytes
  from catalog_snapshots n join s3_servers s on s.id = n.server_id`

export class CatalogEye {
  readonly #db: Database.Database
  readonly #host: string

  /** The catalog must be there. */
  constructor(path: string, host: string) {
    this.#db = new Database(path, { readonly: true, fileMustExist: true })
    this.#host = host
  }

  /** All that may lie on a server now. */
  openCopies(): readonly SeenCopy[] {
    return this.#all(`${COPY} where c.state not in ('deleted', 'failed')`)
  }

  copiesOf(archiveId: string): readonly SeenCopy[] {
    return this.#all(`${COPY} where c.archive_id = ?`, archiveId)
  }

  copy(id: number): SeenCopy {
    return this.#all<SeenCopy>(`${COPY} where c.id = ?`, id)[0]!
  }

  archive(id: string): SeenArchive | undefined {
    return this.#all<SeenArchive>(`${ARCHIVE} where id = ?`, id)[0]
  }

  /** Whole once, and not given up. */
  archives(): readonly SeenArchive[] {
    return this.#all(`${ARCHIVE} where host = ? and state in ('ready', 'gone')`, this.#host)
  }

  /** In the spool, with fewer stored copies; in the order in which they are to be sent. */
  /** A copy on a server that is not configured is none. */
  waiting(host: Pick<SimHost, 'copies' | 'configured' | 'identityOf'>): readonly SeenArchive[] {
    const configured = new Set(host.configured().map((entry) => host.identityOf(entry)))
    const stored = this.openCopies().filter(
      ({ identity, state }) => state === 'stored' && configured.has(identity),
    )
    const ready = this.#all<SeenArchive>(
      `${ARCHIVE} where host = ? and state = 'ready' order by started_at, id`,
      this.#host,
    )
    return ready.filter(
      ({ id }) => stored.filter(({ archiveId }) => archiveId === id).length < host.copies,
    )
  }

  /** Archives of a source with a stored copy, and whether one is on these servers without known damage. */
  restorable(source: string): readonly (SeenArchive & { readonly copies: readonly SeenCopy[] })[] {
    const copies = this.openCopies()
    return this.#all<SeenArchive>(
      `${ARCHIVE} where host = ? and source = ? and (state = 'ready' or stored_copies > 0)`,
      this.#host,
      source,
    ).map((archive) => ({
      ...archive,
      copies: copies.filter(({ archiveId }) => archiveId === archive.id),
    }))
  }

  servers(): readonly SeenServer[] {
    return this.#all(`select identity, used_bytes as usedBytes, reserved_bytes as reservedBytes,
      catalog_bytes as catalogBytes, other_bytes as otherBytes from s3_servers`)
  }

  snapshots(): readonly SeenSnapshot[] {
    return this.#all(SNAPSHOT)
  }

  /** The sums, counted from the rows. */
  counted(identity: string): { readonly promisedBytes: number; readonly otherBytes: number } {
    const [row] = this.#all<{ copies: number; snapshots: number; otherBytes: number }>(
      `select other_bytes as otherBytes,
        (select coalesce(sum(case when state in ('stored', 'deleting', 'missing') then size_bytes
          when state in ('uploading', 'uncertain') then reserved_bytes else 0 end), 0)
          from s3_archives c where c.server_id = s.id) as copies,
        (select coalesce(sum(size_bytes), 0) from catalog_snapshots n
          where n.server_id = s.id) as snapshots
        from s3_servers s where identity = ?`,
      identity,
    )
    const { copies, snapshots, otherBytes } = row!
    return { promisedBytes: copies + snapshots, otherBytes }
  }

  close(): void {
    this.#db.close()
  }

  #all<Row>(sql: string, ...parameters: unknown[]): Row[] {
    return this.#db.prepare(sql).all(...parameters) as Row[]
  }
}
