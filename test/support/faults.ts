// The faults that Spillway must survive: what a run, a server, a disk, a source or an attacker may do to it. Tests
// name them in their titles; faults.test.ts and the table in test/README.md tell which are shown where.
//
// A letter splits a fault of which one test shows only a part. `notHere`: why it cannot happen to this product.
// `gap`: what no test shows yet; a test that does so must take it away.

export type Fault = {
  readonly id: string
  readonly what: string
  readonly notHere?: string
  readonly gap?: string
}

/** The process, the machine, its disks. */
const PROCESS: readonly Fault[] = [
  {
    id: 'F01a',
    what: 'kill -9 before and after every step of a run that touches catalog or server: the next run settles it, nothing is sent twice that had arrived',
  },
  {
    id: 'F01b',
    what: 'an error of ours at every step of a run: told, and settled by the next one',
  },
  {
    id: 'F01c',
    what: 'kill -9 at every step of the recovery itself: recovering again ends where one recovery would',
  },
  { id: 'F01d', what: 'kill -9 at a random moment of a run' },
  {
    id: 'F01e',
    what: 'kill -9 while archives are deleted: bytes count until the server has confirmed',
  },
  {
    id: 'F01f',
    what: 'kill -9 while a catalog is rebuilt, copied to servers, or a server is evacuated',
  },
  { id: 'F01g', what: 'kill -9 while archives are read back: what was proven stays known' },
  {
    id: 'F01h',
    what: 'kill -9 while a restore writes: the folder is not taken for a finished one',
  },
  {
    id: 'F01i',
    what: 'kill -9 while a program is read or a hook has stopped a service: no process is left, and AFTER is made good',
  },
  { id: 'F01j', what: 'kill -9 of the daemon: the queue is true afterwards' },
  {
    id: 'F02',
    what: 'kill -9 at the N-th write, fsync, link, unlink or send of the process, for points that nobody named',
  },
  {
    id: 'F03a',
    what: 'SIGTERM at every step of a run: it ends in time, aborts or leaves what the next one settles',
  },
  { id: 'F03b', what: 'SIGTERM while programs run: none of them is left, services are let go' },
  {
    id: 'F04',
    what: 'the process is stopped and goes on later: nobody else took over meanwhile',
  },
  { id: 'F05', what: 'the kernel kills a dump tool: the source fails, nothing of it is stored' },
  { id: 'F06a', what: 'power cut: the log of the catalog ends anywhere, or holds a torn write' },
  { id: 'F06b', what: 'power cut: a spool file without its finished name is given up' },
  {
    id: 'F06c',
    what: 'power cut: writes and names that were never synced are gone, or there in part: what was told stays true, and the next run settles the rest',
  },
  { id: 'F07a', what: 'an archive that is cut at any byte is never read as a whole one' },
  { id: 'F07b', what: 'a spool file that is not whole is neither restored from nor sent' },
  {
    id: 'F07c',
    what: 'the env file is the old or the new one, whole, whenever its writer is killed',
  },
  {
    id: 'F08',
    what: 'no room for the spool: the source fails by name, nothing is left, and it heals',
  },
  {
    id: 'F09a',
    what: 'no room for the catalog: the call fails, nothing is half done, and it heals',
  },
  {
    id: 'F09b',
    what: 'no room for the catalog in a run: told, nothing unaccounted for, and the next run heals',
  },
  {
    id: 'F10',
    what: 'no room where a restore writes: it fails, and its folder stays closed to others',
  },
  { id: 'F11a', what: 'fsync of the catalog fails: the run fails, and the next one is right' },
  {
    id: 'F11b',
    what: 'fsync of a spool file fails: it is given up, never synced again',
  },
  { id: 'F11c', what: 'fsync of standard error fails: nothing waits for it' },
  { id: 'F12a', what: 'the catalog may not be written: refused, with path and reason' },
  {
    id: 'F12b',
    what: 'the disk of the spool is not mounted: the run fails, nothing that waits is lost',
  },
  { id: 'F12c', what: 'the spool is on a disk that is mounted read-only: told with its path' },
  { id: 'F13a', what: 'a process may open few files: told, or done with fewer' },
  {
    id: 'F13b',
    what: 'no inode is left on the disk of the spool: told as a full disk, and it heals',
  },
]

/** Servers and the network. */
const SERVERS: readonly Fault[] = [
  { id: 'F20', what: 'connections are refused: the next server, within seconds' },
  { id: 'F21', what: 'accepts and never answers, or falls silent in the middle' },
  { id: 'F22', what: 'no connection comes about at all: given up after the time for connecting' },
  {
    id: 'F23',
    what: '500, 502, 504 once, some times, always: repeated a bounded number of times, then the next server',
  },
  { id: 'F24a', what: 'asks for time (Retry-After): given, up to a limit' },
  { id: 'F24b', what: 'asks for less at once: fewer parts are sent together' },
  { id: 'F25a', what: 'answers with a page, with other XML, with nothing' },
  { id: 'F25b', what: 'an answer with an object breaks off: reading goes on where it stopped' },
  { id: 'F25c', what: 'any other answer breaks off at any eighth of it' },
  { id: 'F26', what: 'drips, up or down: bytes per time count, not signs of life' },
  { id: 'F27a', what: 'the connection is reset, or closed, in the middle of a part' },
  { id: 'F27b', what: 'a kept connection is dead when it is used again' },
  {
    id: 'F28a',
    what: 'a certificate of nobody, of another host, expired, of tomorrow: nothing is sent',
  },
  { id: 'F28b', what: 'a server that speaks no TLS of today' },
  { id: 'F28c', what: 'another certificate between two parts' },
  {
    id: 'F29',
    what: 'wrong keys, or keys that are revoked midway: named, never shown, and the next server',
  },
  { id: 'F30a', what: 'no such bucket, or one operation is denied: classified for each' },
  {
    id: 'F30b',
    what: 'a run on a server that denies one operation, for each: the archive is stored, nothing is unaccounted for',
  },
  { id: 'F30c', what: 'HEAD is denied: what cannot be proven is never called stored' },
  {
    id: 'F31',
    what: 'full in all words that servers have for it, at Create, at a part, at Complete: the next server, and no failure',
  },
  {
    id: 'F32',
    what: 'all servers full or dead: the run fails, the archive waits, nothing is deleted to make room',
  },
  {
    id: 'F33a',
    what: 'our clock or the server’s is wrong: signatures are mended by the date of the answer',
  },
  { id: 'F33b', what: 'retention deletes nothing while a clock is wrong' },
  { id: 'F33c', what: 'the clock is put back, or summer time begins and ends: one run a night' },
  { id: 'F33d', what: 'the clock jumps against that of the server in the middle of a run' },
  { id: 'F34a', what: 'a part is damaged on its way: refused by the server, and sent again' },
  { id: 'F34b', what: 'the same where the server checks nothing: found by reading back' },
  { id: 'F35a', what: 'stored bytes rot: found by reading back, wherever they are' },
  { id: 'F35b', what: 'the server loses or swaps parts, and lies about the ETag' },
  { id: 'F36a', what: 'Complete answers 200 with an error in it' },
  { id: 'F36b', what: 'Complete answers with blanks for a while: that is life' },
  { id: 'F36c', what: 'Complete answers 200 and nothing' },
  {
    id: 'F37',
    what: 'Complete is done and its answer is lost: adopted by token and size, one object, no second upload',
  },
  { id: 'F38', what: 'Complete failed, and an older object lies at the key: not adopted' },
  { id: 'F39', what: 'the server gives up an open upload: the next server gets the archive' },
  { id: 'F40a', what: 'any operation is done and its answer is lost: repeated, or proven' },
  { id: 'F40b', what: 'a part that was sent twice: the first arrives last' },
  {
    id: 'F40c',
    what: 'the same with each operation of a whole run: nothing twice, nothing unaccounted for',
  },
  { id: 'F41', what: 'a new object is shown late' },
  { id: 'F42', what: 'a bucket with versions: deleting frees what it says' },
  { id: 'F43', what: 'deleting is denied for a time: counted, told once a run, and tried again' },
  { id: 'F44', what: 'a redirect elsewhere: not followed, and no signature sent there' },
  { id: 'F45a', what: 'a server dies in the middle: the next gets the same bytes from the spool' },
  { id: 'F45b', what: 'the same without a spool: the source is read again, as another archive' },
  { id: 'F46', what: 'a server that comes and goes: each archive ends on one server' },
  { id: 'F47a', what: 'a name that does not resolve; a proxy, and hosts that it must not see' },
  { id: 'F47b', what: 'a host with a dead IPv6 address and a living IPv4 one' },
]

/** What is archived. */
const SOURCES: readonly Fault[] = [
  {
    id: 'F50',
    what: 'a file vanishes, grows, shrinks, or becomes something else while it is read: a warning, and a whole archive',
  },
  { id: 'F51', what: 'a file or folder may not be read, or the disk fails in the middle' },
  {
    id: 'F52',
    what: 'the source is missing, empty, not mounted: it fails, and retention deletes nothing of it',
  },
  { id: 'F53', what: 'ten times as many files need no more memory' },
  { id: 'F54a', what: 'an archive of any size has at most as many parts as the server takes' },
  { id: 'F54b', what: 'an upload runs out of parts: begun again with larger ones' },
  { id: 'F55', what: 'a sparse file shrinks, or fills, while it is read: it ends' },
  {
    id: 'F56',
    what: 'names that are bytes, line ends, options, too long: back byte for byte, and on one line in texts',
  },
  {
    id: 'F57',
    what: 'links that are cyclic, dangling, to themselves, to the root: stored as links, never followed',
  },
  { id: 'F58', what: 'pipes and sockets: never opened' },
  {
    id: 'F59',
    what: 'another file system below the source: left out with a note, where that is asked for',
  },
  { id: 'F60', what: 'hard links, holes, extended attributes, access lists, capabilities' },
  { id: 'F61', what: 'the source holds the spool, or lies in it' },
  {
    id: 'F62',
    what: 'a dump tool that lies: fails late, writes nothing, hangs, asks, floods, is missing, is too old',
  },
  { id: 'F63', what: 'a database that fails while it is dumped' },
]

/** At the same time: processes, limits, the catalog. */
const CATALOG: readonly Fault[] = [
  {
    id: 'F70',
    what: 'a second run at the same time: refused, with the holder’s pid and a code of its own',
  },
  {
    id: 'F71',
    what: 'two jobs together on one host',
    notHere:
      'one run at a time on a host, by the lock; what else is asked for is refused (F70) or waits in the queue',
  },
  { id: 'F72a', what: 'processes race for the last bytes of a limit: never one too many' },
  {
    id: 'F72b',
    what: 'hosts race for them',
    notHere:
      'hosts share no catalog: what others put on a server counts as last listed, and its own quota has the last word (F31)',
  },
  {
    id: 'F73',
    what: 'a limit below what is used, and above it again; a server that leaves the settings',
  },
  { id: 'F74', what: 'an output of unknown size outgrows its reservation: no limit is overrun' },
  {
    id: 'F75',
    what: 'big integers come as text',
    notHere:
      'concerns a PostgreSQL catalog; that of SQLite is refused where a number is none (F77)',
  },
  { id: 'F76', what: 'another program holds the catalog: waited for, then told' },
  {
    id: 'F77',
    what: 'the catalog is damaged, cut, empty, no file, or of a newer version: refused, and left as it is',
  },
  { id: 'F78a', what: 'the catalog is removed or replaced while it is open' },
  {
    id: 'F78b',
    what: 'the catalog is lost before a run: told, nothing is deleted, and it can be rebuilt',
  },
  {
    id: 'F78c',
    what: 'an older copy of the catalog is put in its place: no key is written twice, nothing is deleted',
  },
  {
    id: 'F79',
    what: 'the answer to COMMIT is lost',
    notHere: 'concerns a PostgreSQL catalog: SQLite commits in the process, or kills it (F01a)',
  },
  {
    id: 'F80',
    what: 'failover, serialization failure, deadlock, no connection left',
    notHere: 'concerns a PostgreSQL catalog; BEGIN IMMEDIATE leaves nothing to deadlock (F76)',
  },
  { id: 'F81', what: 'a migration is killed, or begun by several at once' },
  {
    id: 'F82',
    what: 'the daemon is asked while a run waits for a dead server: it answers at once',
  },
]

/** Whoever means harm. */
const ATTACKS: readonly Fault[] = [
  { id: 'F90', what: 'hostile archives: refused or contained, with bounded memory' },
  { id: 'F91', what: 'somebody swaps folders for links while a restore writes' },
  { id: 'F92', what: 'a target whose name begins as an allowed one does' },
  { id: 'F93a', what: 'listings that never end, or whose sums cannot be' },
  {
    id: 'F93b',
    what: 'listings of odd keys and sizes, of others’ objects, with entities: told on one line, nothing deleted',
  },
  {
    id: 'F94',
    what: 'an object that was tampered with, or swapped for another: damage, never a restored file',
  },
  {
    id: 'F95a',
    what: 'tokens: each route wants its scope, revoking counts at once, restores go below their roots',
  },
  {
    id: 'F95b',
    what: 'calls of the API that may change something, and those that are refused, leave a row',
  },
  { id: 'F96a', what: 'requests that another site’s page can send: refused' },
  {
    id: 'F96b',
    what: 'reading changes nothing, and no connection is upgraded',
  },
  { id: 'F97', what: 'another name in Host, two of them, a forwarded one: refused' },
  { id: 'F98', what: 'paths, lengths and parameters that are read in two ways: refused' },
  { id: 'F99a', what: 'guessing, slow requests, giant bodies: bounded, and others are served' },
  {
    id: 'F99b',
    what: 'thousands of connections: the daemon answers on, small, and its run goes on',
  },
  {
    id: 'F100',
    what: 'an env file that others may read or write, or own: refused; ours are 0600 under any umask',
  },
  { id: 'F101a', what: 'secrets in texts, errors, answers of the API and messages' },
  {
    id: 'F101b',
    what: 'secrets in arguments, environments of children and files of the data folder, over the commands of a night',
  },
  {
    id: 'F101c',
    what: 'secrets in a core dump or a report of Node',
    notHere:
      'only whoever starts the process, or root, can ask for one; they have the env file anyway',
  },
  { id: 'F102', what: 'names and answers that fake lines of a log or move the cursor' },
  {
    id: 'F103',
    what: 'script in names that the page shows: text, whatever they are called',
  },
  {
    id: 'F104',
    what: 'a server added over HTTP that is an address inside: not saved, and nothing asked there',
  },
  { id: 'F105', what: 'settings and bodies with prototypes, or without end' },
  {
    id: 'F106',
    what: 'a host that was taken over floods or deletes',
    notHere:
      'hosts share no catalog; what keys may do, quotas and object locks are set at the server',
  },
]

export const FAULTS: readonly Fault[] = [...PROCESS, ...SERVERS, ...SOURCES, ...CATALOG, ...ATTACKS]
