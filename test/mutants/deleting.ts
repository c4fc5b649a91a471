// Mutants of whatever else takes something away: deletes, the spool, evacuation, and what is believed of a server when a
// catalog is compared with it or made anew.

import type { Mutant } from './mutant.ts'

export const DELETING: readonly Mutant[] = [
  {
    name: 'twin-counted-by-evacuate',
    loses: 'the only object, which two entries of the settings show',
    edits: [
      {
        file: 'operations/copies-prove.ts',
        find: 'if (token !== copy.token || identity === copy.identity) continue',
        replace: 'if (token.length > 0 || identity === copy.identity) continue',
      },
    ],
    killedBy: [
      {
        file: 'operations/same-place.test.ts',
        title:
          'an address and its alias > keep their only object, although the catalog takes it for two copies',
      },
    ],
  },
  {
    name: 'twin-adopted',
    loses: 'what was one copy counts as two',
    edits: [
      {
        file: 'operations/adopt.ts',
        find: 'if (error !== undefined) return',
        replace: 'if (error?.message === "") return',
      },
    ],
    killedBy: [
      {
        file: 'operations/same-place.test.ts',
        title: 'an address and its alias > hold no second copy for reconcile, which says so',
      },
    ],
  },
  {
    name: 'delete-without-token',
    loses: 'an object of somebody else that lies at a key of ours',
    edits: [
      {
        file: 'operations/remove-copy.ts',
        find: 'before.token !== copy.token && ',
        replace: 'copy.token === undefined && ',
      },
    ],
    killedBy: [
      {
        file: 'operations/remove-copy.test.ts',
        title: 'never deletes what does not carry our token',
      },
    ],
  },
  {
    name: 'overwritten-room-given-away',
    loses: 'room is given away that somebody else took',
    edits: [
      {
        file: 'catalog/server-rows.ts',
        find: 'other_bytes + ${bytes}',
        replace: 'other_bytes + ${0 * bytes}',
      },
    ],
    killedBy: [
      {
        file: 'operations/remove-copy.test.ts',
        title:
          'is through when somebody has written over what was being deleted (version %s), and counts their bytes',
      },
    ],
  },
  {
    name: 'bytes-free-before-the-delete',
    loses: 'room is given away that the server still bills for',
    edits: [
      {
        file: 'operations/remove-copy.ts',
        find: '  const version = copy.versionId ?? before?.versionId\n',
        replace:
          '  const version = copy.versionId ?? before?.versionId\n  await catalog.markDeleted(copy.id)\n',
      },
      {
        file: 'operations/remove-copy.ts',
        find: "  await catalog.markDeleted(copy.id)\n  return 'deleted'",
        replace: "  return 'deleted'",
      },
    ],
    killedBy: [
      {
        file: 'operations/remove-copy.test.ts',
        title: 'keeps the bytes counted when the server denies it',
      },
    ],
  },
  {
    name: 'delete-believed-unseen',
    loses: 'a server that says yes and deletes nothing: its bytes are given away',
    edits: [
      {
        file: 'operations/remove-copy.ts',
        find: 'if (after === undefined || after.token !== copy.token) break',
        replace: 'if (after === undefined || after.token !== copy.token || tries > 0) break',
      },
    ],
    killedBy: [
      {
        file: 'operations/remove-copy.test.ts',
        title: 'keeps the bytes counted when the server says that it is deleted and still has it',
      },
    ],
  },
  {
    name: 'delete-without-version',
    loses: 'on a server with versions every deleted archive stays, hidden and billed',
    edits: [
      {
        file: 'storage/s3-storage.ts',
        find: '...(versionId === undefined ? {} : { VersionId: versionId }),',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/remove-copy.test.ts',
        title:
          'on a server with versions > names the version: no bytes stay behind a delete marker',
      },
      {
        file: 'operations/prune.test.ts',
        title:
          'a plan that is applied > deletes exactly the version that was stored, and leaves no bytes behind its marker',
      },
    ],
  },
  {
    name: 'waiting-file-trimmed',
    loses: 'an archive that waits for a server is deleted from the spool: it is nowhere',
    edits: [
      {
        file: 'operations/spool.ts',
        find: 'return copiesOn(withoutDamaged(archive, damagedIds), wanted.servers) >= wanted.copies\n',
        replace: 'return [archive, damagedIds, wanted, withoutDamaged, copiesOn].length > 0\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > keeps an archive that no server took, ends with 23, and sends it first the next time',
      },
    ],
  },
  {
    name: 'damaged-copy-is-enough',
    loses: 'the file in the spool that alone could mend a damaged copy',
    edits: [
      {
        file: 'operations/spool.ts',
        find: 'return copiesOn(withoutDamaged(archive, damagedIds), wanted.servers) >= wanted.copies\n',
        replace:
          'void [withoutDamaged, damagedIds]\n  return copiesOn(archive, wanted.servers) >= wanted.copies\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/copies-damaged.test.ts',
        title:
          'with one copy > the spool mends it while its file is there, and a run does not take that away',
      },
    ],
  },
  {
    name: 'copy-anywhere-is-enough',
    loses:
      'the file in the spool, while its only copy is on a server that was taken out for being dead',
    edits: [
      {
        file: 'domain/copies.ts',
        find: "state === 'stored' && configured.has(identity)",
        replace: "void [configured, identity] ?? state === 'stored'",
      },
    ],
    killedBy: [
      {
        file: 'operations/left-server.test.ts',
        title: 'what lies in the spool goes to those that are left: by run',
      },
      {
        file: 'operations/left-server.test.ts',
        title: 'what lies in the spool goes to those that are left: by copies',
      },
    ],
  },
  {
    name: 'bare-mount-point-is-a-spool',
    loses: 'archives that wait on a disk that is not mounted are called lost',
    edits: [
      {
        file: 'operations/spool.ts',
        find: 'if (await holdsArchives(catalog, config)) throw notMounted(spoolDir, marker)\n',
        replace: 'void [holdsArchives, notMounted, catalog]\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > a spool whose disk is not mounted fails the run, and loses nothing that waits there',
      },
    ],
  },
  {
    name: 'evacuated-unproven',
    loses: 'the last good copy goes while the others are only believed to be there',
    edits: [
      {
        file: 'operations/evacuate.ts',
        find: 'if (recopied.provenCount < needed) {',
        replace: 'if (recopied.provenCount < needed - 9) {',
      },
    ],
    killedBy: [
      {
        file: 'operations/evacuate.test.ts',
        title: 'evacuate > removes nothing while another copy cannot be proven',
      },
      {
        file: 'operations/evacuate.test.ts',
        title: 'evacuate > never propagates a damaged copy: it is named and stays, the others go',
      },
    ],
  },
  {
    name: 'rotten-spool-file-sent',
    loses: 'a file that rotted in the spool is sent as a second copy of a good archive',
    edits: [
      {
        file: 'operations/copies-fetch.ts',
        find: 'await checkArchiveFile(path, archive, signal)\n    return true',
        replace: 'return true',
      },
    ],
    killedBy: [
      {
        file: 'operations/copies.test.ts',
        title: 'spillway copies > a spool file that rotted is brought back before it is sent',
      },
    ],
  },
  {
    name: 'damage-copied',
    loses: 'a damaged copy is brought back and sent on, and there are two of them',
    edits: [
      {
        file: 'operations/copies-fetch.ts',
        find: 'await checkArchiveFile(partialPath, archive, signal)\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/copies.test.ts',
        title: 'spillway copies > never makes a second copy of a damaged one: %s',
      },
    ],
  },
  {
    name: 'listing-believed',
    loses: 'a listing that leaves something out takes good copies from the catalog',
    edits: [
      {
        file: 'operations/reconcile-copy.ts',
        find: 'if (isProvenBy(head, row)) {',
        replace: 'if (isProvenBy(head, { ...row, token: "" })) {',
      },
    ],
    killedBy: [
      {
        file: 'operations/reconcile.test.ts',
        title: 'a listing proves nothing > that leaves out what is there changes no row',
      },
    ],
  },
  {
    name: 'missing-given-up-at-once',
    loses: 'a copy that a server shows late is struck off, and nothing will read it again',
    edits: [
      {
        file: 'operations/reconcile-copy.ts',
        find: 'now.getTime() - missingSince.getTime() >= SETTLED_AFTER_MS',
        replace: 'now.getTime() - missingSince.getTime() >= 0 * SETTLED_AFTER_MS',
      },
    ],
    killedBy: [
      {
        file: 'operations/reconcile.test.ts',
        title:
          'a copy that is gone > is missing at once, counted until it is gone for a day, and then given up',
      },
    ],
  },
  {
    name: 'rebuilt-from-a-listing',
    loses: 'a rebuilt catalog says stored of what a server only lists',
    edits: [
      {
        file: 'operations/reconcile-server.ts',
        find: "const isAsListed = row.sizeBytes === sizeBytes && row.state === 'stored'",
        replace: 'const isAsListed = row.sizeBytes === sizeBytes',
      },
    ],
    killedBy: [
      {
        file: 'operations/rebuild.test.ts',
        title:
          'from a copy of the catalog > every row is asked for: a listing alone does not bear out what a server may have made up',
      },
    ],
  },
]
