// Mutants of what retention keeps, and of why it holds back.

import type { Mutant } from './mutant.ts'

export const RETENTION: readonly Mutant[] = [
  {
    name: 'newest-not-kept',
    loses:
      'the newest archive of a source; two guards: every rule begins with it, and it is kept besides',
    edits: [
      {
        file: 'domain/retention.ts',
        find: "keep(counted[0], 'the last good archive')\n",
        replace: '',
      },
      {
        file: 'domain/retention.ts',
        find: 'of keptByRules(counted, policy)) keep',
        replace: 'of keptByRules(counted.slice(1), policy)) keep',
      },
    ],
    killedBy: [
      {
        file: 'domain/retention.test.ts',
        title:
          'for every calendar > the newest proved archive stays, and so does everything pinned or not proved',
      },
    ],
  },
  {
    name: 'unproven-counts',
    loses: 'archives that no server has proven push out those that are proven',
    edits: [
      {
        file: 'domain/retention.ts',
        find: '({ isProven, isDamaged, isPinned }) => (isProven || isDamaged === true) && !isPinned',
        replace: '({ isPinned }) => !isPinned',
      },
    ],
    killedBy: [
      {
        file: 'domain/retention.test.ts',
        title:
          'what no rule may take away > an archive that was not proved counts for no rule and is not deleted',
      },
    ],
  },
  {
    name: 'damaged-counts',
    loses: 'a damaged archive takes the place of a good one, which is deleted',
    edits: [
      {
        file: 'domain/retention.ts',
        find: 'inTurn.filter(({ isDamaged }) => isDamaged !== true)',
        replace: 'inTurn.filter(() => true)',
      },
    ],
    killedBy: [
      {
        file: 'domain/retention.test.ts',
        title:
          'what no rule may take away > a damaged archive takes no place from a good one, and goes when its own turn comes',
      },
      {
        file: 'operations/prune.test.ts',
        title:
          'what is never deleted > the newest sound archive, when the ones after it are known to be damaged',
      },
    ],
  },
  {
    name: 'keep-last-one-less',
    loses: 'one archive fewer than KEEP_LAST says',
    edits: [
      {
        file: 'domain/retention.ts',
        find: 'archives.slice(0, last).entries()',
        replace: 'archives.slice(0, Math.max(1, last - 1)).entries()',
      },
    ],
    killedBy: [
      {
        file: 'domain/retention.test.ts',
        title:
          'for every calendar > each rule that counts keeps as many as it says, or all that there are',
      },
    ],
  },
  {
    name: 'pin-is-no-reason',
    loses: 'an archive that somebody pinned',
    edits: [
      {
        file: 'domain/retention.ts',
        find: "if (archive.isPinned) keep(archive, 'pinned')\n",
        replace: '',
      },
      {
        file: 'domain/retention.ts',
        find: '(isProven || isDamaged === true) && !isPinned',
        replace: '(isProven || isDamaged === true) && (isPinned || !isPinned)',
      },
    ],
    killedBy: [
      {
        file: 'domain/retention.test.ts',
        title:
          'what no rule may take away > a pinned archive stays, and takes no place from another one',
      },
    ],
  },
  {
    name: 'pin-in-between-not-seen',
    loses: 'an archive that was pinned between the plan and the delete',
    edits: [
      {
        file: 'catalog/retention-rows.ts',
        find: "    .$if(unlessPinned, (update) => update.where('is_pinned', '=', 0))\n",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune-doubts.test.ts',
        title: 'a pin > that is set without asking stops the delete in its own transaction',
      },
    ],
  },
  {
    name: 'future-archive-ignored',
    loses: 'what is left of the rules when the clock of this machine was wrong',
    edits: [
      {
        file: 'domain/retention.ts',
        find: '!isPinned && startedAt.getTime() > latest',
        replace: '!isPinned && startedAt.getTime() > latest + 1e15',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title:
          'what is never deleted > anything while the clock is wrong: an archive lies in the future',
      },
      {
        file: 'domain/retention.test.ts',
        title: 'what holds a source back > is an archive from the future, unless it is pinned',
      },
    ],
  },
  {
    name: 'clock-of-server-ignored',
    loses: 'retention deletes by days while the clock is hours off',
    edits: [
      {
        file: 'operations/prune.ts',
        find: 'if (Math.abs(offsetMs) > CLOCK_TOLERANCE_MS)',
        replace: 'if (Math.abs(offsetMs) > 1e15 + CLOCK_TOLERANCE_MS)',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title: 'what is never deleted > anything while the clock of the server differs by %d min',
      },
    ],
  },
  {
    name: 'deletes-after-a-failed-night',
    loses: 'old archives go while the source cannot be read any more',
    edits: [
      {
        file: 'operations/plan-prune.ts',
        find: "if (!isWhole && (newest?.state === 'failed' || newest?.state === 'packing'))",
        replace: "if (newest?.state === 'packing')",
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title: 'what is never deleted > anything of a source whose newest run failed',
      },
    ],
  },
  {
    name: 'shrunken-source-not-noticed',
    loses: 'the last archives with the half of a folder that somebody deleted by mistake',
    edits: [
      {
        file: 'domain/retention.ts',
        find: 'nowBytes >= usualBytes * SHRINK_FACTOR',
        replace: 'nowBytes >= usualBytes * SHRINK_FACTOR * 0',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title:
          'what is never deleted > anything while the newest archive holds less than half of what was usual',
      },
    ],
  },
  {
    name: 'retention-before-proof',
    loses: 'older archives go while no server shows the newest one',
    edits: [
      {
        file: 'operations/prune-proof.ts',
        find: 'const wasAsked = await askKept(services, { kept, plan, deletions }, signal)',
        replace: 'const wasAsked = false\n    void [askKept, kept]',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title: 'what is never deleted > anything while no server shows the last good archive',
      },
      {
        file: 'operations/prune-doubts.test.ts',
        title:
          'archives that the rules keep > are asked for before anything goes, and what is gone pushes nothing out',
      },
    ],
  },
  {
    name: 'delete-under-a-restore',
    loses: 'a restore that has begun finds its archive gone; two guards: the plan and the claim',
    edits: [
      {
        file: 'catalog/archive-use.ts',
        find: "(handle) => handle.exec('begin exclusive')",
        replace: '() => undefined',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title: 'what is never deleted > a pinned archive, and one that is being restored',
      },
      {
        file: 'operations/prune.test.ts',
        title: 'what is never deleted > one that is pinned or restored between plan and delete',
      },
      {
        file: 'catalog/archive-use.test.ts',
        title: 'may be used by several at once, and is claimed by nobody meanwhile',
      },
    ],
  },
  {
    name: 'no-cap-on-deletes',
    loses: 'one wrong setting empties all servers in one night',
    edits: [
      {
        file: 'operations/plan-prune.ts',
        find: 'const capped = cap(possible, input.deletesMax)',
        replace: 'const capped = cap(possible, undefined)',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title: 'a plan that is applied > deletes no more than the cap in one run, the oldest first',
      },
    ],
  },
  {
    name: 'pins-unknown-ignored',
    loses: 'what was pinned before the catalog was lost',
    edits: [
      {
        file: 'operations/plan-prune.ts',
        find: '?? (await pinsFault(services))',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune-doubts.test.ts',
        title: 'after a rebuild from archives alone nothing goes before somebody looked',
      },
    ],
  },
  {
    name: 'begun-delete-goes-on',
    loses:
      'an archive whose delete was refused once is deleted later, although the rules need it since',
    edits: [
      {
        file: 'operations/finish-deletes.ts',
        find: "if (isByRetention(copy) && (await look(services, copy, signal)) === 'proven') {",
        replace: "if (isByRetention(copy) && (await look(services, copy, signal)) === 'differs') {",
      },
    ],
    killedBy: [
      {
        file: 'operations/prune-doubts.test.ts',
        title:
          'a delete that was denied > by retention is taken back when the rules need the archive since',
      },
    ],
  },
  {
    name: 'strangers-are-nobodys-business',
    loses: 'the clone of a machine deletes what that one has pinned',
    edits: [
      {
        file: 'operations/server-pool.ts',
        find: 'if (this.hasStrangers)\n',
        replace: 'if (this.#isMoved && this.hasStrangers)\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/prune.test.ts',
        title:
          'a plan that is applied > waits while a server holds archives of this host that its catalog does not know',
      },
    ],
  },
]
