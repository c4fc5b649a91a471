// Mutants of how sources are read and packed, and of what is told about it.

import type { Mutant } from './mutant.ts'

export const ARCHIVING: readonly Mutant[] = [
  {
    name: 'empty-is-fine',
    loses: 'a disk that is not mounted is archived as an empty folder, night after night',
    edits: [
      {
        file: 'config/sources.ts',
        find: 'mayBeEmpty: values.ALLOW_EMPTY,',
        replace: 'mayBeEmpty: true,',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > goes on with the other sources when one is missing, and with an empty one only if that is allowed',
      },
    ],
  },
  {
    name: 'missing-source-is-a-warning',
    loses: 'a source that is gone ends with the code of a night that went well enough',
    edits: [
      {
        file: 'domain/errors.ts',
        find: 'SOURCE_MISSING: { exit: 10,',
        replace: 'SOURCE_MISSING: { exit: 3,',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > goes on with the other sources when one is missing, and with an empty one only if that is allowed',
      },
    ],
  },
  {
    name: 'failed-source-not-in-exit',
    loses: 'a run whose source failed ends with 0, and no timer tells anybody',
    edits: [
      {
        file: 'operations/run-record.ts',
        find: "    this.#failures.push(exit)\n    const outcome = exit === 3 ? 'warnings' : 'failed'",
        replace: "    const outcome = exit === 3 ? 'warnings' : 'failed'",
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > goes on with the other sources when one is missing, and with an empty one only if that is allowed',
      },
      {
        file: 'operations/run.test.ts',
        title:
          'a run > keeps an archive that no server took, ends with 23, and sends it first the next time',
      },
    ],
  },
  {
    name: 'unreadable-file-in-silence',
    loses: 'a file that could not be read is missing in the archive, and nothing says so',
    edits: [
      {
        file: 'sources/walk.ts',
        find: 'this.#findings.warn(path, `is not in the archive: ${reasonOf(error)}`)',
        replace: 'void path',
      },
    ],
    killedBy: [{ file: 'sources/walk.test.ts', title: 'what may not be read > is a warning: %s' }],
  },
  {
    name: 'unreadable-folder-in-silence',
    loses: 'all that is in a folder that could not be listed, without a word',
    edits: [
      {
        file: 'sources/walk.ts',
        find: '      this.#findings.warn(path, `its members are not in the archive: ${reasonOf(error)}`)\n      return []',
        replace: '      return []',
      },
    ],
    killedBy: [
      {
        file: 'sources/walk.test.ts',
        title:
          'a disk that fails > in a folder costs its members, with a warning; the folder stays',
      },
    ],
  },
  {
    name: 'read-error-in-silence',
    loses:
      'the rest of a file at which the disk failed is zeros, and nothing says so; two guards: the failure, and the bytes that are missing',
    edits: [
      {
        file: 'sources/copy-content.ts',
        find: 'failure: `could not be read: ${reasonOf(error)}` }',
        replace: 'failure: undefined }',
      },
      {
        file: 'sources/copy-content.ts',
        find: 'if (readBytes < before.sizeBytes)',
        replace: 'if (readBytes < 0 && reasonOf(readBytes) !== "")',
      },
    ],
    killedBy: [
      {
        file: 'sources/walk.test.ts',
        title:
          'a disk that fails > in the middle of a file costs the rest of that file, with a warning',
      },
    ],
  },
  {
    name: 'member-not-padded',
    loses: 'every member behind a file whose size is no multiple of 512',
    edits: [
      {
        file: 'pack/tar-writer.ts',
        find: 'this.#padding = paddingOf(dataBytes)\n',
        replace: 'this.#padding = paddingOf(dataBytes) - paddingOf(dataBytes)\n',
      },
    ],
    killedBy: [
      {
        file: 'pack/tar-writer.test.ts',
        title: 'content > of %i bytes ends where it should, and so does what follows',
      },
    ],
  },
  {
    name: 'changed-file-in-silence',
    loses: 'a file that grew, shrank or changed while it was read passes for whole',
    edits: [
      {
        file: 'sources/copy-content.ts',
        find: 'return changeBetween(before, files.fstat(fd), zerosFrom)',
        replace: 'return void changeBetween(before, files.fstat(fd), zerosFrom)',
      },
    ],
    killedBy: [
      {
        file: 'sources/walk.test.ts',
        title: 'a file that changes while it is read > and keeps its size is told by its times',
      },
      {
        file: 'sources/walk.test.ts',
        title: 'a file that changes while it is read > and shrinks is filled up with zeros',
      },
      {
        file: 'sources/walk.test.ts',
        title:
          'a file that changes while it is read > and grows is cut at the size that its header promised',
      },
    ],
  },
  {
    name: 'exit-code-of-a-command-ignored',
    loses: 'half of a dump is an archive like any other',
    edits: [
      {
        file: 'sources/child.ts',
        find: 'if (exit.code === 0 && exit.signal === null) return\n',
        replace: 'if (exit.code !== undefined) return\n',
      },
    ],
    killedBy: [
      {
        file: 'pack/command-packer.test.ts',
        title: 'a command that did not do its work > because it %s fails, and says so',
      },
      {
        file: 'operations/command-source.test.ts',
        title:
          'a command that fails > after 50 MB of which parts were sent leaves nothing, and the other sources go on',
      },
    ],
  },
  {
    name: 'spool-file-not-synced',
    loses: 'after a power cut the file with the final name is full of zeros',
    edits: [
      {
        file: 'pack/spool-file.ts',
        find: "attempt(this.#path, 'sync', () => fsyncSync(this.#fd))\n",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'pack/archive.test.ts',
        title: 'the spool > is not whole while it cannot be brought to the disk',
      },
    ],
  },
  {
    name: 'packed-frame-not-compared',
    loses: 'what a faulty memory made of a block is archived, and nobody learns of it',
    edits: [
      {
        file: 'pack/tar-frames.ts',
        find: 'if (again.equals(block)) return\n',
        replace: 'if (again.equals(block) || room.length > 0) return\n',
      },
    ],
    killedBy: [
      {
        file: 'pack/archive.test.ts',
        title: 'a block whose memory changes under the compressor is not archived',
      },
    ],
  },
  {
    name: 'signal-not-heard',
    loses: 'a run that is told to stop is killed in the middle instead',
    edits: [
      {
        file: 'cli/interrupt.ts',
        find: "['SIGINT', 'SIGTERM', 'SIGHUP']",
        replace: "['SIGINT', 'SIGHUP']",
      },
    ],
    killedBy: [
      {
        file: 'daemon/queue.test.ts',
        title:
          'the queue > stops in order: the run that is going on ends as by Ctrl-C, what waits stays',
      },
    ],
  },
  {
    name: 'living-process-called-dead',
    loses: 'the files with which a running dump reaches its server are cleared away',
    edits: [
      {
        file: 'sources/secret-folder.ts',
        find: 'return isAlive({ pid: Number(pid), startTicks }) === true',
        replace: 'return isAlive({ pid: Number(pid), startTicks }) === undefined',
      },
    ],
    killedBy: [
      {
        file: 'sources/secret-folder.test.ts',
        title: 'keeps what a living process uses, and removes what a dead one left',
      },
    ],
  },
  {
    name: 'spool-share-of-nobody',
    loses: 'archives that are written at the same time pass the limit of the spool together',
    edits: [
      {
        file: 'operations/spool-shares.ts',
        find: 'sum + (share.limitBytes ?? 0)',
        replace: 'sum + 0 * (share.limitBytes ?? 0)',
      },
    ],
    killedBy: [
      {
        file: 'operations/source-lanes.test.ts',
        title:
          'what archives may take of the spool at the same time is never more than its limit, however they come, grow and go',
      },
    ],
  },
  {
    name: 'room-made-for-two-at-once',
    loses: 'what is deleted for one archive counts as room for another one, too',
    edits: [
      {
        file: 'operations/run.ts',
        find: '  const inTurn = oneAtATime()\n',
        replace: '  const inTurn = <Made>(make: () => Promise<Made>) => make()\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/parallel-sources.test.ts',
        title:
          'archives that come at once make room on a full server, each its own: both are stored, and no more is deleted than was due',
      },
    ],
  },
  {
    name: 'second-reading-forgotten',
    loses: 'a source that had no room beside the others is not archived, and nobody is told',
    edits: [
      {
        file: 'operations/source-lanes.ts',
        find: 'for (const again of rest) await',
        replace: 'for (const again of rest.slice(rest.length)) await',
      },
    ],
    killedBy: [
      {
        file: 'operations/parallel-sources.test.ts',
        title:
          'keeps to the limit of the spool: what has no room beside the others is read when they are done, and no alarm is raised',
      },
    ],
  },
]
