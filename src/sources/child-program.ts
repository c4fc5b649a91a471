// Finds the program of a command before anything is started: "not found" and "not executable" are the
// slips of the first night, and the system's own words for them name neither file nor place.

import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { SpillwayError } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'

/** Its path. Throws SOURCE_COMMAND_FAILED. */
export function findProgram({ argv, environment, workingFolder }: Program): string {
  const [program] = argv
  if (!isFolder(workingFolder))
    throw failed(`the folder that ${program} is to run in, ${workingFolder}, is not there`)
  if (program.includes('/')) {
    const path = resolve(workingFolder, program)
    const problem = problemOf(path)
    if (problem !== undefined) throw failed(`${path} ${problem}`)
    return path
  }
  const searched = environment['PATH'] ?? ''
  let refused: string | undefined
  for (const folder of searched.split(':').filter((each) => each !== '')) {
    const path = resolve(workingFolder, folder, program)
    const problem = problemOf(path)
    if (problem === undefined) return path
    if (problem !== MISSING) refused ??= `${path} ${problem}`
  }
  throw failed(refused ?? `there is no program "${program}" in PATH (${searched})`)
}

/** The first of these names that is a program; the first of all where none is. */
export function firstProgram(
  names: readonly [string, ...string[]],
  surroundings: Omit<Program, 'argv'>,
): string {
  const isThere = (name: string): boolean => {
    try {
      findProgram({ ...surroundings, argv: [name] })
      return true
    } catch {
      // Whoever starts it says what is wrong with it.
      return false
    }
  }
  return names.find(isThere) ?? names[0]
}

const MISSING = 'does not exist'

function problemOf(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'is no program'
    accessSync(path, constants.X_OK)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return MISSING
    return code === 'EACCES' ? 'may not be executed by this user' : `cannot be used: ${code}`
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // Whatever it is, nothing can run there.
    return false
  }
}

function failed(message: string): SpillwayError {
  return new SpillwayError('SOURCE_COMMAND_FAILED', message, {
    hint: 'install it, or write its whole path into the settings',
  })
}
