// One question for one variable: its help, its present value, and the parser's own judgement while
// the answer can still be corrected.

import { parseEndpoint } from '../../config/endpoint.ts'
import { entryName, settingOf } from '../../config/names.ts'
import { ValueProblem } from '../../config/problem.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { maskValue } from '../../operations/configure-masks.ts'
import type { Wizard } from './wizard.ts'

type AskOptions = {
  /** Instead of the setting's help. */
  readonly message?: string
  /** Offered when the variable is not set yet. */
  readonly suggestion?: string
  readonly isRequired?: boolean
}

/** What an answer says when a value is to be taken away: an empty line keeps what is offered. */
const NONE = '-'

/** Asks for the variable and puts the answer into the draft. Resolves to the value, '' for none. */
export async function askSetting(
  { draft, prompts }: Wizard,
  variable: string,
  { message, suggestion = '', isRequired = false }: AskOptions = {},
): Promise<string> {
  const setting = settingOf(variable)
  const present = draft.value(variable)
  const question = message ?? sentence(setting?.help ?? variable)
  const check = (text: string) => {
    if (text !== '' && text !== NONE) return whatIsWrong(draft, variable, text)
    return isRequired && (present === '' || text === NONE) ? 'this one is needed' : undefined
  }
  if (setting?.isSecret === true) {
    const keeps = present === '' ? '' : ` (Enter keeps ${maskValue(variable, present)})`
    const shown = { message: `${question}${keeps}:`, check }
    // The key id is no secret, and who sees it pastes the right one.
    const isKeyId = entryName(variable)?.setting === 'ACCESS_KEY'
    const answer = await (isKeyId ? prompts.ask(shown) : prompts.askSecret(shown))
    if (answer === '') return present
    return put(draft, variable, answer === NONE ? '' : answer)
  }
  const otherwise = setting?.fallback ?? setting?.otherwise
  const none = isRequired
    ? ''
    : ` (- for ${otherwise === undefined ? 'none' : `the default, ${otherwise}`})`
  const offered = present === '' ? { suggestion } : { initial: present }
  const answer = await prompts.ask({ message: `${question}${none}:`, ...offered, check })
  return put(draft, variable, answer === NONE ? '' : mended(variable, answer))
}

/** Slips in an endpoint (a scheme twice, slashes at its end) are not written down. */
function mended(variable: string, value: string): string {
  return entryName(variable)?.setting === 'ENDPOINT' ? parseEndpoint(value, undefined).url : value
}

function put(draft: ConfigDraft, variable: string, value: string): string {
  if (value === draft.value(variable)) return value
  draft.change(value === '' ? { remove: [variable] } : { set: [[variable, value]] })
  return value
}

/** The parser's reason and remedy; undefined if the value is right as far as it alone can be. */
export function whatIsWrong(
  draft: ConfigDraft,
  variable: string,
  value: string,
): string | undefined {
  try {
    if (entryName(variable)?.setting === 'ENDPOINT') mended(variable, value)
    else settingOf(variable)?.parse(value, { envFileDir: draft.envFileDir })
    return undefined
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error
    return error.remedy === undefined ? error.message : `${error.message}; ${error.remedy}`
  }
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
