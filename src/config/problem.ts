// What is wrong with one variable: said once, shown by the command line, the wizard and --json.

import { SpillwayError } from '../domain/errors.ts'

export type Problem = {
  readonly variable: string
  /** Absent where there is none, and where it is a secret. */
  readonly value: string | undefined
  /** Follows on the name: `must be a whole number`. */
  readonly reason: string
  readonly remedy: string | undefined
  /** Right, but ahead of its time. */
  readonly isNotBuilt?: boolean
}

// Enough to recognise a value; a pasted certificate must not fill the screen.
const SHOWN_CHARACTERS_MAX = 80

/** `KEEP_DAILY="x" must be a whole number; write 0 or more`. */
export function formatProblem({ variable, value, reason, remedy }: Problem): string {
  const shown = value === undefined ? '' : `=${shownValue(value)}`
  return `${variable}${shown} ${reason}${remedy === undefined ? '' : `; ${remedy}`}`
}

function shownValue(value: string): string {
  const isLong = value.length > SHOWN_CHARACTERS_MAX
  return JSON.stringify(isLong ? `${value.slice(0, SHOWN_CHARACTERS_MAX)}...` : value)
}

type ValueProblemOptions = {
  readonly remedy?: string | undefined
  /** The value holds a credential and must not be shown. */
  readonly isSecret?: boolean
  readonly isNotBuilt?: boolean
}

/** Thrown by the parser of a single value; `read-settings.ts` makes a Problem of it. */
export class ValueProblem extends Error {
  readonly remedy: string | undefined
  readonly isSecret: boolean
  readonly isNotBuilt: boolean

  constructor(reason: string, { remedy, isSecret, isNotBuilt }: ValueProblemOptions = {}) {
    super(reason)
    this.remedy = remedy
    this.isSecret = isSecret ?? false
    this.isNotBuilt = isNotBuilt ?? false
  }
}

/** One error for all problems: a line each, after a first line that says where they are. */
export function configInvalid(
  where: string,
  problems: readonly Problem[],
  hint?: string,
): SpillwayError {
  const lines = problems.map(formatProblem)
  const count = lines.length === 1 ? '1 problem' : `${lines.length} problems`
  const isNotBuilt = problems.every((problem) => problem.isNotBuilt === true)
  return new SpillwayError(
    isNotBuilt ? 'NOT_BUILT' : 'CONFIG_INVALID',
    [`${count} in ${where}`, ...lines].join('\n'),
    {
      facts: { problems: lines.join('\n'), count: lines.length },
      ...(hint === undefined ? {} : { hint }),
    },
  )
}
