// Mutants of what makes an archive stored: the proof, Complete, the order of row and server, failover.

import type { Mutant } from './mutant.ts'

export const STORING: readonly Mutant[] = [
  {
    name: 'token-not-compared',
    loses: 'an older object at the key passes for the archive of tonight, and its spool file goes',
    edits: [
      {
        file: 'storage/storage.ts',
        find: 'head !== undefined && head.token === expected.token && head.sizeBytes',
        replace: 'head !== undefined && head.sizeBytes',
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'Complete > does not take an older object at the key for ours',
      },
    ],
  },
  {
    name: 'page-with-404-believed',
    loses:
      'while the server behind a proxy is down, its copies are called deleted, its uploads given up, and their bytes are free',
    edits: [
      {
        file: 'storage/s3-absent.ts',
        find: "return requestId !== undefined || (s3Code !== undefined && s3Code !== 'NotFound')",
        replace: 'return requestId !== null || s3Code !== null',
      },
    ],
    killedBy: [
      {
        file: 'operations/in-front.test.ts',
        title:
          'a page with 404, of a proxy in front of a server that is down > is no word of S3: what retention wants to delete is not called deleted',
      },
    ],
  },
  {
    name: 'abort-taken-for-proof',
    loses:
      'an object that MinIO has completed is called failed, is never counted, and another one comes every night',
    edits: [
      {
        file: 'operations/settle-copy.ts',
        find: "return (await storage.abort(upload, signal)) === 'gone' ? 'aborted' : 'gone'",
        replace: 'return first',
      },
    ],
    killedBy: [
      {
        file: 'operations/late-complete.test.ts',
        title:
          'an archive that waited for days is not sent again while it may still arrive, and is adopted when it does (Abort: 204)',
      },
      {
        file: 'operations/in-front.test.ts',
        title:
          'a server > that shows nothing, and calls an upload aborted that it completed (MinIO), is asked again',
      },
    ],
  },
  {
    name: 'size-not-compared',
    loses: 'half of an archive is called stored',
    edits: [
      {
        file: 'storage/storage.ts',
        find: 'head.token === expected.token && head.sizeBytes === expected.sizeBytes',
        replace: 'head.token === expected.token',
      },
    ],
    killedBy: [
      {
        file: 'operations/settle-copy.test.ts',
        title:
          'an upload of which nobody knows whether Complete arrived > stays open while what lies there has our token and another size: half an object is none',
      },
    ],
  },
  {
    name: 'absence-believed-at-once',
    loses:
      'an upload whose Complete is still at work is called failed, its bytes are given back, and the object comes after all; two guards: the waits between looks, and the row that stays open behind them',
    edits: [
      {
        file: 'operations/settle-copy.ts',
        find: "const delaysMs = aborted === 'gone' && copy.completeBytes !== undefined ? headDelaysMs : []",
        replace: 'const delaysMs: number[] = []\n  void headDelaysMs',
      },
      {
        file: 'operations/settle-copy.ts',
        find: "if (mayStillCome || isHidden) return 'open'",
        replace: 'void [mayStillCome, isHidden]',
      },
    ],
    killedBy: [
      {
        file: 'operations/settle-copy.test.ts',
        title:
          'an upload of which nobody knows whether Complete arrived > stays open while the upload is gone and no object is there: it may still be completed',
      },
      {
        file: 'operations/settle-copy.test.ts',
        title:
          'an upload of which nobody knows whether Complete arrived > is not declared absent by a key that may not look',
      },
    ],
  },
  {
    name: 'late-object-not-awaited',
    loses:
      'an object that the server shows a second late is sent again to the next server; two guards: the proof after Complete waits, and so does giving up',
    edits: [
      {
        file: 'operations/upload-copy.ts',
        find: 'const delays = refusal === undefined ? limits.headDelaysMs : limits.headDelaysMs.slice(0, 1)',
        replace: 'const delays: number[] = []',
      },
      {
        file: 'operations/settle-copy.ts',
        find: "const delaysMs = aborted === 'gone' && copy.completeBytes !== undefined ? headDelaysMs : []",
        replace: 'const delaysMs: number[] = []\n  void headDelaysMs',
      },
    ],
    killedBy: [
      {
        file: 'operations/faults-in-a-run.test.ts',
        title: 'an object that the server shows late is waited for, and stored once',
      },
    ],
  },
  {
    name: 'complete-repeated-blindly',
    loses: 'a Complete whose answer was lost is sent again, and a good archive is called failed',
    edits: [
      {
        file: 'storage/s3-complete.ts',
        find: 'if (isProvenBy(head, { token: upload.token, sizeBytes })) return head?.etag',
        replace: 'void head',
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title:
          'Complete > is proved by HEAD when its answer is lost, and not sent twice (second: %s)',
      },
    ],
  },
  {
    name: 'complete-believed-whatever-it-says',
    loses:
      'an error that comes with status 200 counts as done, and only a HEAD stands between it and a loss',
    edits: [
      {
        file: 'storage/s3-complete.ts',
        find: '        }),\n        options,\n      ),\n  })\n  return bareEtag(done.ETag)',
        replace:
          '        }),\n        options,\n      ).catch(() => ({ ETag: undefined })),\n  })\n  return bareEtag(done.ETag)',
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'Complete > is not done when a 200 answer carries an error',
      },
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'Complete > is not done when a 200 answer has nothing in it',
      },
    ],
  },
  {
    name: 'page-taken-for-an-answer',
    loses: 'the page of a proxy is taken for an empty answer: nothing is listed, nothing is open',
    edits: [
      {
        file: 'storage/s3-http.ts',
        find: 'if (isGood) checkRoot(body, this.#exchange.root)',
        replace: 'void checkRoot',
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title:
          'something that is no S3 server > is recognised by a strange answer to %s, which is not taken for an empty one',
      },
    ],
  },
  {
    name: 'etag-not-compared',
    loses: 'a server that stored other bytes than were sent is believed',
    edits: [
      {
        file: 'storage/composite-etag.ts',
        find: "return seen === compositeEtag(parts) ? 'equal' : 'differs'",
        replace: "return 'equal'",
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'damage > shows in the composite ETag of a server whose ETags were right before',
      },
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'damage > is found by that reading back',
      },
    ],
  },
  {
    name: 'part-without-md5',
    loses: 'bytes that change on their way are stored as they came',
    edits: [
      {
        file: 'storage/s3-parts.ts',
        find: "ContentMD5: Buffer.from(body.md5).toString('base64'),",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'storage/faults-of-the-server.test.ts',
        title: 'damage > on the way is noticed by the server, and heals with one repeat',
      },
    ],
  },
  {
    name: 'key-written-twice',
    loses:
      'an object that lies at the key is replaced; two guards: the look before, and If-None-Match',
    edits: [
      {
        file: 'storage/s3-storage.ts',
        find: 'if (head === undefined) return\n    const what = `${key} is there already',
        replace:
          'if (head !== undefined || head === undefined) return\n    const what = `${key} is there already',
      },
      {
        file: 'storage/s3-complete.ts',
        find: "...(lacks.has('if-none-match') ? {} : { IfNoneMatch: '*' }),",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/faults-in-a-run.test.ts',
        title:
          'a key that is taken is not written: its object stays, and the next server gets the archive',
      },
    ],
  },
  {
    name: 'completing-not-recorded',
    loses:
      'an archive that had arrived when the run was killed is sent again, and its object has no row',
    edits: [
      {
        file: 'operations/upload-copy.ts',
        find: 'await catalog.markCompleting(copyId, new Date())\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'e2e/crash-points.test.ts',
        title: 'what had arrived when the run was killed is adopted, and not sent again',
      },
    ],
  },
  {
    name: 'waiting-sent-unread',
    loses: 'a file that was damaged in the spool is stored, and counts as a good archive',
    edits: [
      {
        file: 'operations/deliver.ts',
        find: 'if (!isProven) await delivery.prove?.(signal)\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title:
          'a run > does not send what was damaged in the spool, and says so until somebody has looked',
      },
    ],
  },
  {
    name: 'late-complete-overwrites',
    loses: 'an object of which the row says stored is replaced by one that nobody waits for',
    edits: [
      {
        file: 'operations/upload-copy.ts',
        find: "copy.state !== 'failed' || copy.isCompleting",
        replace: "copy.state !== 'failed'",
      },
    ],
    killedBy: [
      {
        file: 'operations/late-complete.test.ts',
        title:
          'an object that arrives when nobody waits for it any more does not take the place of the one that was sent since',
      },
    ],
  },
  {
    name: 'upload-not-aborted',
    loses: 'parts of a failed upload lie on the server for ever, and nothing counts them',
    edits: [
      {
        file: 'operations/settle-copy.ts',
        find: 'const first = await storage.abort(upload, signal)',
        replace: "const first = 'aborted' as AbortOutcome",
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title: 'a run > an interrupt ends it within seconds and leaves nothing half done',
      },
      {
        file: 'operations/settle-copy.test.ts',
        title:
          'an upload of which nobody knows whether Complete arrived > failed when our abort took away an open upload',
      },
    ],
  },
  {
    name: 'attempt-not-recorded',
    loses: 'a failover leaves no trace: nobody learns which server failed, and why',
    edits: [
      {
        file: 'operations/deliver.ts',
        find: 'await journal.failed(server, error, sentBytes, seconds())\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/failover.test.ts',
        title: 'the archive goes on to the next server when the first one > refuses connections',
      },
    ],
  },
  {
    name: 'sick-server-is-no-warning',
    loses: 'a server that has been dead for weeks never shows in the exit code',
    edits: [
      {
        file: 'operations/deliver.ts',
        find: "if (outcome !== 'full' && !isOutOfParts(error)) this.hasSickServer = true",
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/failover.test.ts',
        title: 'the archive goes on to the next server when the first one > refuses connections',
      },
    ],
  },
  {
    name: 'dead-server-asked-again',
    loses: 'each source waits for the same dead server again, and the night is over',
    edits: [
      {
        file: 'operations/deliver.ts',
        find: 'const wellFrom = (server: Server) => pool.downBecause(server) === undefined',
        replace: 'const wellFrom = (_server: Server) => true',
      },
    ],
    killedBy: [
      {
        file: 'operations/failover.test.ts',
        title: 'a server that is dead for the first source is not asked again for the second',
      },
    ],
  },
  {
    name: 'servers-in-another-order',
    loses: 'archives go to the server that was meant as the last resort',
    edits: [
      {
        file: 'domain/placement.ts',
        find: 'input.servers.toSorted((a, b) => a.number - b.number)',
        replace: 'input.servers.toSorted((a, b) => b.number - a.number)',
      },
    ],
    killedBy: [
      {
        file: 'operations/run.test.ts',
        title: 'a run > stores each archive under HOST/YYYY/MM/DD on the first server, and says so',
      },
    ],
  },
  {
    name: 'waiting-not-first',
    loses: 'what has waited longest waits on while new archives take the room',
    edits: [
      {
        file: 'operations/run.ts',
        find: '    await sendWaiting(services, record, underWay, signal)\n    await runSources(services, { sources, underWay }, record, signal)\n',
        replace:
          '    await runSources(services, { sources, underWay }, record, signal)\n    await sendWaiting(services, record, underWay, signal)\n',
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
    name: 'complete-looks-only-afterwards',
    loses:
      'of two machines with one SERVER_ID the later archive takes the place of the other, unseen',
    edits: [
      {
        file: 'operations/upload-copy.ts',
        find: '    await storage.checkFree?.(key, stop)\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'operations/same-host.test.ts',
        title:
          'an object that came to the key during the upload is not replaced, also where Complete would replace it',
      },
    ],
  },
]
