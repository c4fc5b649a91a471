// Mutants of what others must not learn, and where secrets go.

import type { Mutant } from './mutant.ts'

export const TELLING: readonly Mutant[] = [
  {
    name: 'secret-to-another-address',
    loses: 'a saved key is sent to a machine that whoever may change settings named',
    edits: [
      {
        file: 'operations/settings-secrets.ts',
        find: 'if (changed.length > 0 && isThere && !isTyped)',
        replace: 'if (changed.length > 9 && isThere && !isTyped)',
      },
    ],
    killedBy: [
      {
        file: 'daemon/settings-attacks.test.ts',
        title: 'a saved secret > goes to nobody else than it was typed for',
      },
    ],
  },
  {
    name: 'link-local-reached',
    loses: 'a server that is added over HTTP reads the keys of the cloud machine',
    edits: [
      {
        file: 'lib/link-local.ts',
        find: 'const good = found.filter(({ address }) => !isLinkLocal(address))',
        replace: 'const good = found',
      },
    ],
    killedBy: [
      {
        file: 'storage/link-local.test.ts',
        title:
          'a name that leads to a link-local address > gets no connection of an S3 server by %s',
      },
    ],
  },
  {
    name: 'any-certificate',
    loses: 'whoever stands in between reads and answers as the server',
    edits: [
      {
        file: 'storage/s3-http.ts',
        find: 'lookup: lookupElsewhere,',
        replace: 'lookup: lookupElsewhere,\n      ...{ rejectUnauthorized: false },',
      },
    ],
    killedBy: [
      {
        file: 'storage/tls-and-proxy.test.ts',
        title: 'a certificate > $what is refused, and nothing is sent',
      },
    ],
  },
  {
    name: 'nothing-redacted',
    loses: 'secrets stand in logs, messages and reports',
    edits: [
      {
        file: 'lib/redact.ts',
        find: 'const hidden = known === undefined ? text : text.replace(known, HIDDEN)',
        replace: 'const hidden = known === undefined ? text : text',
      },
    ],
    killedBy: [
      {
        file: 'lib/redact.test.ts',
        title: 'createRedactor > hides a known secret wherever it stands',
      },
      {
        file: 'pack/command-packer.test.ts',
        title:
          'a command that did not do its work > never tells a secret, nor sends a terminal what it would act on',
      },
    ],
  },
  {
    name: 'env-file-for-all',
    loses: 'everybody on the machine reads the keys; two guards: the mode at opening, and after it',
    edits: [
      {
        file: 'config/env-file-write.ts',
        find: 'await open(temporary, flags, 0o600)',
        replace: 'await open(temporary, flags, 0o644)',
      },
      {
        file: 'config/env-file-write.ts',
        find: 'await file.chmod(0o600)\n',
        replace: '',
      },
    ],
    killedBy: [
      {
        file: 'config/env-file-write.test.ts',
        title: 'creates the file for its owner alone, whatever the umask',
      },
      {
        file: 'config/env-file-write.test.ts',
        title: 'takes rights away from a file that others could read',
      },
    ],
  },
  {
    name: 'open-env-file-taken',
    loses: 'nobody is told that others can read the keys, or name another server',
    edits: [
      {
        file: 'config/load.ts',
        find: 'if ((file.mode & 0o077) !== 0) {',
        replace: 'if ((file.mode & 0o002) !== 0) {',
      },
    ],
    killedBy: [
      {
        file: 'config/load.test.ts',
        title: 'an env file with secrets > is refused with mode %o',
      },
    ],
  },
  {
    name: 'env-file-written-in-place',
    loses: 'a kill in the middle of a change leaves half an env file',
    edits: [
      {
        file: 'config/env-file-write.ts',
        find: 'await rename(temporary, target)\n',
        replace:
          'await rm(temporary)\n    const { writeFile } = await import("node:fs/promises")\n    await writeFile(target, "")\n    await writeFile(target, text, { mode: 0o600 })\n    void rename\n',
      },
    ],
    killedBy: [
      {
        file: 'config/env-file-write.test.ts',
        title: 'leaves the old or the new file, whole, when it is killed at any moment',
      },
    ],
  },
  {
    name: 'sealed-value-moved',
    loses: 'a sealed password is put where it is sent to another server, and opens there',
    edits: [
      {
        file: 'config/sealed-value.ts',
        find: 'Buffer.from(`spillway seal v1\\0${variable}\\0`)',
        replace: 'Buffer.from(`spillway seal v1\\0${variable.length > 0}\\0`)',
      },
    ],
    killedBy: [
      { file: 'config/sealed-value.test.ts', title: 'is worth nothing with %s' },
      {
        file: 'config/sealed-env.test.ts',
        title: 'what was moved to another variable is told with the one that it was sealed for',
      },
    ],
  },
  {
    name: 'whole-environment-for-a-command',
    loses: 'every program that is archived sees the keys of all servers',
    edits: [
      {
        file: 'sources/child.ts',
        find: 'env: environment,',
        replace: 'env: { ...process.env, ...environment },',
      },
    ],
    killedBy: [
      {
        file: 'e2e/command-killed.test.ts',
        title:
          'a command gets nothing of our environment, our file or our descriptors but what is named',
      },
    ],
  },
  {
    name: 'control-characters-printed',
    loses: 'a file name draws a line into the report that is not ours',
    edits: [
      {
        file: 'cli/text.ts',
        find: 'const UNPRINTABLE = /[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]/gu',
        replace: 'const UNPRINTABLE = /[\\p{Cs}\\p{Zl}\\p{Zp}]/gu',
      },
    ],
    killedBy: [
      {
        file: 'cli/text.test.ts',
        title: 'oneLine > leaves nothing that could move a cursor, whatever it is given',
      },
      {
        file: 'cli/cli.test.ts',
        title: 'a failure > with several lines stays readable, and cannot fake lines of ours',
      },
    ],
  },
  {
    name: 'killed-run-goes-on',
    loses: 'a run that was killed is said to go on, for as long as nobody asks for its process',
    edits: [
      {
        file: 'lib/process-identity.ts',
        find: "return (state === 'Z' || state === 'X') &&",
        replace: "return state === 'X' &&",
      },
    ],
    killedBy: [
      {
        file: 'lib/process-identity.test.ts',
        title: 'one that was killed, and that nobody has asked for yet, is no more',
      },
    ],
  },
  {
    name: 'last-trace-given-up',
    loses:
      'the record of an archive of which nothing sound is left, and with it every word about that',
    edits: [
      {
        file: 'operations/give-up-lost.ts',
        find: 'if (shown === 0) return',
        replace: 'if (shown < 0) return',
      },
    ],
    killedBy: [
      {
        file: 'operations/give-up-lost.test.ts',
        title: 'a lost copy > that was the only one is never given up by a run',
      },
      {
        file: 'operations/give-up-lost.test.ts',
        title: 'a lost copy > beside a damaged one is not given up either',
      },
    ],
  },
]
