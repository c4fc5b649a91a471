// Mutants of the ledger and of what keeps processes apart: limits, transactions, the lock, the catalog's own file.

import type { Mutant } from './mutant.ts'

export const COUNTING: readonly Mutant[] = [
  {
    name: 'plain-begin',
    loses:
      'a transaction that reads and then writes fails as soon as another process wrote between',
    edits: [
      {
        file: 'catalog/sqlite-dialect.ts',
        find: "CompiledQuery.raw(isReading ? 'begin' : 'begin immediate')",
        replace: "CompiledQuery.raw('begin')",
      },
    ],
    killedBy: [
      {
        file: 'catalog/processes.test.ts',
        title: 'lets processes that read and then write wait for each other',
      },
    ],
  },
  {
    name: 'limit-not-asked',
    loses: 'a server is filled beyond its limit, and the bill comes',
    edits: [
      {
        file: 'catalog/copy-rows.ts',
        find: '      sql<boolean>`used_bytes + reserved_bytes + catalog_bytes + other_bytes + ${bytes} <= ${limitBytes}`,',
        replace: '      sql<boolean>`${limitBytes} >= 0`,',
      },
    ],
    killedBy: [
      {
        file: 'catalog/processes.test.ts',
        title:
          'gives the last bytes of a limit to as many of 8 processes as fit, and not to one more',
      },
      {
        file: 'catalog/ledger-property.test.ts',
        title: 'keeps the ledger equal to the sums, and never above the limit that was given',
      },
    ],
  },
  {
    name: 'reserved-forgotten',
    loses: 'two uploads at once are promised the same room',
    edits: [
      {
        file: 'catalog/copy-rows.ts',
        find: 'used_bytes + reserved_bytes + catalog_bytes + other_bytes + ${bytes} <=',
        replace: 'used_bytes + catalog_bytes + other_bytes + ${bytes} <=',
      },
    ],
    killedBy: [
      {
        file: 'catalog/processes.test.ts',
        title:
          'gives the last bytes of a limit to as many of 8 processes as fit, and not to one more',
      },
      {
        file: 'catalog/ledger-property.test.ts',
        title: 'keeps the ledger equal to the sums, and never above the limit that was given',
      },
    ],
  },
  {
    name: 'last-byte-refused',
    loses: 'an archive that fits to the byte is passed on to a dearer server',
    edits: [
      {
        file: 'catalog/copy-rows.ts',
        find: '+ other_bytes + ${bytes} <= ${limitBytes}',
        replace: '+ other_bytes + ${bytes} < ${limitBytes}',
      },
    ],
    killedBy: [
      {
        file: 'catalog/processes.test.ts',
        title:
          'gives the last bytes of a limit to as many of 8 processes as fit, and not to one more',
      },
    ],
  },
  {
    name: 'others-not-counted',
    loses:
      'what other hosts put on a server is not counted, and the limit is overrun; two guards: the choice and the promise',
    edits: [
      {
        file: 'catalog/copy-rows.ts',
        find: '+ catalog_bytes + other_bytes + ${bytes} <=',
        replace: '+ catalog_bytes + ${bytes} <=',
      },
      {
        file: 'domain/placement.ts',
        find: ' + usage.catalogBytes + usage.otherBytes',
        replace: ' + usage.catalogBytes',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title: 'a run > counts what others put on a server against its limit',
      },
    ],
  },
  {
    name: 'catalog-copies-over-limit',
    loses: 'copies of the catalog take room that the limit does not have',
    edits: [
      {
        file: 'catalog/snapshot-rows.ts',
        find: '      sql<boolean>`used_bytes + reserved_bytes + catalog_bytes + other_bytes + ${bytes} <= ${limitBytes}`,',
        replace: '      sql<boolean>`${limitBytes} >= 0`,',
      },
    ],
    killedBy: [
      {
        file: 'operations/catalog-snapshot.test.ts',
        title: 'within the limit > no room anywhere is a warning, and fails nothing',
      },
    ],
  },
  {
    name: 'sent-beyond-the-promise',
    loses: 'an output of unknown size grows beyond the limit while it is sent',
    edits: [
      {
        file: 'operations/send-parts.ts',
        find: 'await coverWithReservation(services.catalog, attempt, copyId, offsetBytes + sizeBytes)\n',
        replace: 'void coverWithReservation\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/direct.test.ts',
        title: 'when nobody takes it > no limit is overrun',
      },
      {
        file: 'operations/direct.test.ts',
        title:
          'the next server > is taken when one is full in the middle, by its own word or by its limit',
      },
    ],
  },
  {
    name: 'wrong-ledger-trusted',
    loses: 'a sum that is off is built upon, and a limit with it',
    edits: [
      {
        file: 'catalog/open-sqlite.ts',
        find: 'if (isChecked) requireNone(path, await findLedgerFaults(connection.db))',
        replace: 'void findLedgerFaults',
      },
    ],
    killedBy: [
      {
        file: 'catalog/damage.test.ts',
        title: 'a database file > with a wrong sum is refused, with both numbers',
      },
    ],
  },
  {
    name: 'removed-catalog-written-to',
    loses: 'a run goes on in a file that has no name any more, and all of it is gone at its end',
    edits: [
      {
        file: 'catalog/sqlite-dialect.ts',
        find: 'if (!isReading) this.#options.requireInPlace()',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'catalog/failing-disk.test.ts',
        title: 'writes nothing more to a file that was $what',
      },
    ],
  },
  {
    name: 'lock-not-taken',
    loses: 'two runs at once clear away what the other one is packing',
    edits: [
      {
        file: 'catalog/run-lock.ts',
        find: "handle.exec('begin immediate')\n",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'catalog/run-lock.test.ts',
        title: 'is had by exactly one of five processes, and the others name it',
      },
      {
        file: 'catalog/run-lock.test.ts',
        title: 'refuses the same process too, and says since when',
      },
    ],
  },
  {
    name: 'lock-of-the-folder-only',
    loses: 'a run with the same catalog and another DATA_DIR clears away what this one is packing',
    edits: [
      {
        file: 'catalog/run-lock.ts',
        find: 'if (catalog === undefined) return first\n',
        replace: 'return first\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/same-host.test.ts',
        title:
          'a run with the catalog of another data folder waits for that one, and settles nothing of it',
      },
    ],
  },
  {
    name: 'lock-lost-to-the-collector',
    loses: 'a run of hours loses its lock when memory is cleaned up, and a second one begins',
    edits: [
      {
        file: 'catalog/run-lock.ts',
        find: 'held.add(handle)\n',
        replace: '',
      },
      {
        file: 'catalog/run-lock.ts',
        find: 'if (!held.has(handle)) return\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'catalog/run-lock.test.ts',
        title: 'is kept when its holder lets go of the object, until the process ends',
      },
    ],
  },
  {
    name: 'queue-newest-first',
    loses: 'what was asked for first is done last',
    edits: [
      {
        file: 'state/jobs.ts',
        find: "where state = 'queued' order by rowid limit 1",
        replace: "where state = 'queued' order by rowid desc limit 1",
      },
    ],
    killedBy: [
      {
        file: 'daemon/job-queue.test.ts',
        title: 'jobs are done in the order in which they were asked for, however fast they come',
      },
    ],
  },
  {
    name: 'limit-rounded',
    loses: 'a limit of 0.5 GB becomes one of a whole',
    edits: [
      {
        file: 'config/values.ts',
        find: "const value = BigInt(whole + fraction.padEnd(exponent, '0'))",
        replace: 'const value = BigInt(Math.ceil(Number(`${whole}.${fraction}`)) * 10 ** exponent)',
      },
    ],
    killedBy: [{ file: 'config/parse.test.ts', title: 'values > %s GB are %d bytes, exactly' }],
  },
  {
    name: 'commit-not-on-disk',
    loses: 'after a power cut a reservation, or the word that an archive is stored',
    edits: [
      {
        file: 'catalog/open-sqlite.ts',
        find: "handle.pragma('synchronous = FULL')",
        replace: "handle.pragma('synchronous = NORMAL')",
      },
    ],
    killedBy: [
      {
        file: 'catalog/open-sqlite.test.ts',
        title:
          'the files of a catalog > are set up so that a commit is on disk and nothing in a schema is trusted',
      },
    ],
  },
]
