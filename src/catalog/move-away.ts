// What somebody types to clear the place of a catalog: with its log, which SQLite would apply to the next one.

import { dirname, join } from 'node:path'
import { shellWord } from '../lib/shell-word.ts'

export function howToMoveAway(catalogPath: string): string {
  const lost = shellWord(join(dirname(catalogPath), 'lost'))
  return `mkdir ${lost} && mv ${shellWord(catalogPath)}* ${lost}/`
}
