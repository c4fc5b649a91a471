// What `copies` and `evacuate` show alike while they work: the bars of the uploads with one line of their
// own below them, and elsewhere a line as each archive is through.

import { bar, plural } from './output.ts'
import { formatBytes } from '../domain/sizes.ts'
import { oneLine } from './text.ts'
import { openProgress } from './progress.ts'
import type { EvacuateProgress } from '../operations/evacuate.ts'
import type { Io } from './command.ts'
import type { RunEvent } from '../domain/run-events.ts'

export type CopyProgress = {
  readonly onEvent: (event: RunEvent) => void
  readonly onProgress: (progress: EvacuateProgress) => void
  /** One line; `level` as syslog numbers it. */
  readonly line: (text: string, level: 4 | 5) => void
  /** Takes the lines at the bottom away; may be called again. */
  readonly close: () => void
}

// As in progress.ts: ten times a second looks alive.
const DRAW_EVERY_MS = 100
const BAR_WIDTH = 24

export function openCopyProgress(io: Io<unknown>, title: string): CopyProgress {
  let uploads: readonly string[] = []
  let own: string | undefined
  let drawnMs = 0
  const draw = () => io.showLive(own === undefined ? uploads : [...uploads, own])
  const progress = openProgress({
    ...io,
    showLive: (lines) => {
      uploads = lines
      draw()
    },
  })
  return {
    onEvent: progress.onEvent,
    onProgress: (now) => {
      const nowMs = io.now().getTime()
      if (!io.err.isTerminal || nowMs - drawnMs < DRAW_EVERY_MS) return
      drawnMs = nowMs
      own = liveLine(title, now)
      draw()
    },
    line: (text, level) => io.printError(`${io.isJournal ? `<${level}>` : ''}${oneLine(text)}`),
    close: () => {
      own = undefined
      progress.close()
      io.showLive([])
    },
  }
}

/** `evacuating [###---]  12 %  3 of 40 archives, 1.2 GB of 9.9 GB, reading etc-...tar.zst: 40 MB` */
function liveLine(title: string, now: EvacuateProgress): string {
  const { archivesDone, archivesTotal, bytesDone, bytesTotal, reading } = now
  const share =
    bytesTotal > 0 ? Math.min(1, (bytesDone + (reading?.readBytes ?? 0)) / bytesTotal) : 0
  const percent = `${Math.floor(share * 100)} %`.padStart(5)
  const facts =
    `${archivesDone} of ${plural(archivesTotal, 'archive')}, ` +
    `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`
  const file =
    reading === undefined
      ? ''
      : `, reading ${oneLine(reading.file)}: ${formatBytes(reading.readBytes)}`
  return `${title} ${bar(share, BAR_WIDTH)} ${percent}  ${facts}${file}`
}

/** `3`, `3 and 4`: as S3_SERVER_N_* numbers them. */
export function numbersOf(servers: readonly number[]): string {
  return `${servers.length === 1 ? 'server' : 'servers'} ${servers.join(' and ')}`
}
