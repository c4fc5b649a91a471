// Mutants of what is read back: verifying and restoring.

import type { Mutant } from './mutant.ts'

export const READING: readonly Mutant[] = [
  {
    name: 'frame-hash-not-compared',
    loses: 'a frame that somebody changed with care is restored as the file it was',
    edits: [
      {
        file: 'pack/archive-tail.ts',
        find: 'if (proof !== undefined && !sha256.equals(proof)) throw corrupt(`frame ${number} is damaged`)',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/cat.test.ts',
        title: 'copies > are not believed when somebody changed one with care',
      },
      {
        file: 'operations/restore.test.ts',
        title:
          'an archive that is not what was stored > is found out by the checksum of a frame, where tar and zstd notice nothing',
      },
    ],
  },
  {
    name: 'index-not-bound',
    loses: 'an index with hashes of its own making decides what a frame should be',
    edits: [
      {
        file: 'pack/archive-tail.ts',
        find: "if ((await sha256Of(list)).toString('hex') !== sha256) return false\n",
        replace: 'void sha256\n',
      },
    ],
    killedBy: [
      {
        file: 'pack/archive.test.ts',
        title: 'the tail > is bound to the checksum of what was archived, and to no other',
      },
    ],
  },
  {
    name: 'other-archive-at-the-key',
    loses:
      'the archive of another night is restored under the name of the one that was asked for; three guards: its id, the list of its hashes, the sums at the end',
    edits: [
      {
        file: 'operations/archive-bytes.ts',
        find: 'manifest.archiveId === archive.id &&\n    (archive.sha256 === undefined || manifest.sha256 === archive.sha256)',
        replace: 'archive.id !== undefined',
      },
      {
        file: 'operations/archive-bytes.ts',
        find: 'if (isBound) return\n',
        replace: 'if (isBound !== undefined) return\n',
      },
      {
        file: 'operations/restore.ts',
        find: 'if (ready.isWhole && result.lostCount === 0) compare(row, result)\n',
        replace: 'void compare\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/restore.test.ts',
        title:
          'an archive that is not what was stored > is found out when another one lies at its key',
      },
    ],
  },
  {
    name: 'index-trusted-over-frames',
    loses: 'an index that lies gives one member the bytes of another',
    edits: [
      {
        file: 'pack/verify-members.ts',
        find: 'const differs = differenceOf(expected, member, offset)\n',
        replace: 'const differs = differenceOf(expected, member, offset) && undefined\n',
      },
    ],
    killedBy: [
      {
        file: 'pack/verify.test.ts',
        title:
          'an index that does not tell the truth is found, though all checksums are right: > %s',
      },
    ],
  },
  {
    name: 'verify-compares-nothing',
    loses: 'rotten bytes that still decompress are called proven',
    edits: [
      {
        file: 'pack/verify-frames.ts',
        find: 'if (expected !== undefined && !sha256.equals(expected))',
        replace: 'if (expected !== undefined && sha256.length === 0)',
      },
    ],
    killedBy: [
      {
        file: 'operations/verify.test.ts',
        title: 'verify --deep > finds one flipped byte wherever it is, and names frame and members',
      },
    ],
  },
  {
    name: 'verify-reads-less',
    loses: 'verify says that all is proven, and has read the first half',
    edits: [
      {
        file: 'pack/verify-stretch.ts',
        find: 'const end = await verifyTar(input, stretch.firstFrame, tarEnd)\n',
        replace:
          'const half = Math.ceil((stretch.firstFrame + tarEnd) / 2)\n      await verifyTar(input, stretch.firstFrame, half)\n      if (half < tarEnd) await input.sink.proven({ firstFrame: half, endFrame: tarEnd })\n      const end = tarEnd\n',
      },
    ],
    killedBy: [
      {
        file: 'operations/verify.test.ts',
        title: 'verify --deep > finds one flipped byte wherever it is, and names frame and members',
      },
    ],
  },
  {
    name: 'proof-of-an-older-object-kept',
    loses: 'an object that was written again counts as read back',
    edits: [
      {
        file: 'operations/verify-heads.ts',
        find: 'if (copy.etag === undefined || head.etag === undefined || head.etag === copy.etag)',
        replace: "if (copy.etag === undefined || head.etag !== '')",
      },
    ],
    killedBy: [
      {
        file: 'operations/verify.test.ts',
        title:
          'verify by HEAD > wants an object read back that was written again, and then takes it as ours',
      },
    ],
  },
  {
    name: 'cut-off-archive-is-whole',
    loses: 'the end of an archive: what is there is restored as if it were all',
    edits: [
      {
        file: 'pack/tar-reader.ts',
        find: 'this.#once(() => this.#guard.finish(this.#unsettled.length))',
        replace: 'void this.#unsettled',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-evil.test.ts',
        title:
          'frames that Spillway would not write > never pass as whole when they are cut off, at any byte',
      },
    ],
  },
  {
    name: 'part-by-the-index-alone',
    loses: 'a restore of a part gives back what an index that lies says is there',
    edits: [
      {
        file: 'pack/extract-choice.ts',
        find: 'if (!isAlike) throw disagreement(path)',
        replace: 'void isAlike',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-evil-index.test.ts',
        title: 'an archive whose index, manifest or seek table lies > is harmless: %s',
      },
    ],
  },
  {
    name: 'read-goes-on-in-another-object',
    loses: 'half of one archive and half of another are one file',
    edits: [
      {
        file: 'storage/s3-read.ts',
        find: 'if (etag === undefined || opened.etag === etag) return',
        replace: "if (etag === undefined || opened.etag !== '') return",
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-line.test.ts',
        title:
          'broken connections > are no reason to go on with another object that took its place',
      },
    ],
  },
  {
    name: 'sound-frames-in-front-dropped',
    loses: 'what was whole in front of a damaged frame does not come back',
    edits: [
      {
        file: 'lib/map-ahead.ts',
        find: 'while (begun.length > 0) yield await begun.shift()!\n        throw next.failure',
        replace: 'throw next.failure',
      },
    ],
    killedBy: [
      {
        file: 'lib/map-ahead.test.ts',
        title: 'gives the results of all items that came before one could not be had',
      },
    ],
  },
  {
    name: 'damage-blamed-on-others',
    loses: 'an archive that rots is taken for a hostile one, and nothing of it is given back',
    edits: [
      {
        file: 'pack/zstd.ts',
        find: 'promised > FRAME_BYTES_MAX ? tooLarge()',
        replace: 'promised > 0 ? tooLarge()',
      },
    ],
    killedBy: [
      {
        file: 'pack/zstd.test.ts',
        title:
          'a frame %s > with damage behind its header is damaged, not refused, also where it would yield more than 4 MiB',
      },
    ],
  },
]
