// The wizard as a person meets it: the built program on a pseudo terminal (`script` of util-linux),
// driven by keys, watched by what appears on the screen.

import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const PROGRAM = join(import.meta.dirname, '../../dist/configure.js')
const ENTER = '\r'
const DOWN = '\x1b[B'
const UP = '\x1b[A'
const ESCAPE = '\x1b'
const CTRL_C = '\x03'
const CTRL_D = '\x04'

const hasScript = ((): boolean => {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
  } catch {
    return false
  }
})()

let folder: string
let file: string
let opened: ReturnType<typeof open> | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-terminal-'))
  file = join(folder, '.env')
})

afterEach(async () => {
  // Only where a test failed is it still there.
  await opened?.end()
  opened = undefined
  rmSync(folder, { recursive: true })
})

describe.skipIf(!hasScript)('on a terminal (skipped where util-linux has no "script")', () => {
  it('a directory is added, tested for real, and saved', async () => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    const wizard = open()
    await wizard.until('What do you want to set up?')
    wizard.type(ENTER)
    await wizard.until('Add a server')
    wizard.type(ENTER)
    await wizard.until('Where is it?')
    wizard.type(DOWN.repeat(30) + ENTER)
    await wizard.until('/mnt/backup/spillway')
    // What is typed takes the place of what is suggested.
    wizard.type(disk + ENTER)
    await wizard.until('Storage limit in GB')
    wizard.type(ENTER)
    await wizard.until('It works.')
    await wizard.until('are tried in this order')
    wizard.type(ESCAPE)
    await wizard.until('there are changes')
    wizard.type(UP.repeat(10) + DOWN.repeat(6) + ENTER)
    await wizard.until('spillway self-test')
    expect(await wizard.exit).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(
      `S3_SERVER_1_ENDPOINT=file://${disk}\nS3_SERVER_1_STORAGE_LIMIT_GB=100\n`,
    )
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('a secret that is typed or pasted is not shown', async () => {
    const wizard = open()
    await wizard.until('What do you want to set up?')
    wizard.type(ENTER)
    await wizard.until('Add a server')
    wizard.type(ENTER)
    await wizard.until('Where is it?')
    wizard.type(DOWN + ENTER)
    await wizard.until('Region')
    wizard.type(`eu-central-1${ENTER}`)
    await wizard.until('Endpoint')
    wizard.type(ENTER)
    await wizard.until('Bucket')
    wizard.type(`backups${ENTER}`)
    await wizard.until('Access key id')
    wizard.type(`AKIDEXAMPLE${ENTER}`)
    await wizard.until('Secret access key')
    for (const character of 'hush-hush-secret') wizard.type(character)
    wizard.type(ENTER)
    await wizard.until('Storage limit')
    wizard.type(CTRL_C)
    expect(await wizard.exit).toBe(130)
    expect(wizard.seen()).toContain('AKIDEXAMPLE')
    expect(wizard.seen()).not.toContain('hush')
    expect(existsSync(file)).toBe(false)
  })

  it.each([
    ['Ctrl-C', CTRL_C],
    ['Ctrl-D', CTRL_D],
  ])('%s leaves the file as it was, says so, and exits with 130', async (_name, key) => {
    const text = '# mine\nZSTD_LEVEL=3\n'
    writeFileSync(file, text)
    const wizard = open()
    await changeLevel(wizard)
    wizard.type(key)
    await wizard.until(`left without saving; ${file} is as it was [INTERRUPTED]`)
    expect(await wizard.exit).toBe(130)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  it.each([
    ['SIGTERM', 130],
    ['SIGHUP', 130],
    ['SIGKILL', 137],
  ] as const)('%s leaves the file as it was', async (signal, exit) => {
    const text = '# mine\nZSTD_LEVEL=3\n'
    writeFileSync(file, text)
    const wizard = open()
    await changeLevel(wizard)
    process.kill(wizard.pid(), signal)
    expect(await wizard.exit).toBe(exit)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })
})

async function changeLevel(wizard: ReturnType<typeof open>): Promise<void> {
  await wizard.until('What do you want to set up?')
  wizard.type(DOWN.repeat(5) + ENTER)
  await wizard.until('ZSTD_LEVEL')
  // Letters go to the line that begins with them, wherever it stands.
  wizard.type(`ZSTD${ENTER}`)
  await wizard.until('Zstd level from 1')
  wizard.type(`\x7f9${ENTER}`)
  await wizard.until('ZSTD_LEVEL            9')
  wizard.type(ESCAPE)
  await wizard.until('there are changes')
}

/** Starts the program on a terminal of its own. */
function open() {
  // `exec`: the process that `script` starts becomes the program, whose pid it tells first.
  const command = `stty cols 110 rows 40; echo "pid=$$"; exec "${process.execPath}" "${PROGRAM}"`
  const child = spawn(
    'script',
    ['--quiet', '--flush', '--return', '--command', command, '/dev/null'],
    {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', SHELL: '/bin/sh', HOME: folder },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  let output = ''
  let from = 0
  let wake = () => {}
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    wake()
  })
  const seen = () => stripVTControlCharacters(output)
  let isOver = false
  const exit = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      isOver = true
      wake()
      resolve(code)
    })
  })
  const wizard = {
    exit,
    end: async () => {
      if (isOver) return
      child.kill('SIGKILL')
      await exit
    },
    seen,
    type: (keys: string) => void child.stdin.write(keys),
    pid: () => Number(/pid=(\d+)/.exec(seen())?.[1]),
    /** Resolves when the text has appeared after what was awaited before. */
    until: async (text: string) => {
      for (;;) {
        const at = seen().indexOf(text, from)
        if (at >= 0) {
          from = at + text.length
          return
        }
        if (isOver) throw new Error(`"${text}" never appeared in:\n${seen()}`)
        await new Promise<void>((resolve, reject) => {
          const late = () => reject(new Error(`"${text}" did not appear in time in:\n${seen()}`))
          const timer = setTimeout(late, 20_000)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
  }
  opened = wizard
  return wizard
}
