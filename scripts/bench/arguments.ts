// The command line of `npm run bench`, with every mistake in it told before anything is made or measured.

import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { CONTENDERS } from './contenders.ts'
import { DATA_SETS } from './data.ts'
import { OPERATIONS } from './results.ts'

export const USAGE = `npm run bench -- [OPTION...]
  --only ${DATA_SETS.map(({ id }) => id).join(',')}
  --operations ${OPERATIONS.join(',')}
  --contenders ${CONTENDERS.map(({ id }) => id).join(',')}
  --rounds N      that count, behind one that warms up (3)
  --scale S       0.05: a twentieth of the data, to try it (1)
  --files FOLDER  the folder of small files (/usr/share)
  --work FOLDER   where data, archives and restored files go for a while (${tmpdir()})
  --json FILE     keep all figures
  --from FILE,... measure nothing, take the figures of that file, or of several of one machine
  --picture FILE  draw them (SVG)
  --readme FILE   write them into the README's part about speed`

export type BenchArguments = ReturnType<typeof parseArguments>

export function parseArguments(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: 'string' },
      operations: { type: 'string' },
      contenders: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      scale: { type: 'string', default: '1' },
      files: { type: 'string', default: '/usr/share' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      from: { type: 'string' },
      picture: { type: 'string' },
      readme: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds must be 1 or more, got "${values.rounds}"`)
  if (!(scale > 0 && scale <= 1))
    throw new Error(`--scale must be above 0 and at most 1, got "${values.scale}"`)
  for (const folder of [values.files, values.work])
    if (!existsSync(folder)) throw new Error(`there is no ${folder}`)
  return {
    ...values,
    ...{ rounds, scale },
    only: chosen('only', values.only, DATA_SETS),
    contenders: chosen('contenders', values.contenders, CONTENDERS),
    operations: chosen(
      'operations',
      values.operations,
      OPERATIONS.map((id) => ({ id })),
    ).map(({ id }) => id),
  }
}

function chosen<Choice extends { readonly id: string }>(
  option: string,
  text: string | undefined,
  all: readonly Choice[],
): readonly Choice[] {
  if (text === undefined) return all
  const ids = text.split(',')
  const known = all.map(({ id }) => id)
  const wrong = ids.find((id) => !known.includes(id))
  if (wrong !== undefined)
    throw new Error(`--${option}: there is no "${wrong}", only ${known.join(', ')}`)
  return all.filter(({ id }) => ids.includes(id))
}
