// The thread that answers what would keep a daemon from answering others: see operations/catalog-questions.ts.

import { parentPort } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { messageOf, SpillwayError } from './domain/errors.ts'
import { QuestionDesk } from './operations/catalog-questions.ts'
import type { AnswerMessage, QuestionMessage } from './operations/catalog-questions.ts'

const port = parentPort
assert(port !== null, 'question-worker runs as a worker thread only')
const desk = new QuestionDesk()
// One after the other: they all want the one catalog.
let working: Promise<void> = Promise.resolve()
port.on('message', (message: QuestionMessage) => {
  working = working.then(() => take(message))
})

async function take(message: QuestionMessage): Promise<void> {
  if (message.question === 'close') {
    await desk.close()
    port?.close()
    return
  }
  const { id } = message
  let reply: AnswerMessage
  try {
    reply = { id, answer: await desk.answer(message) }
  } catch (error) {
    const isOurs = error instanceof SpillwayError
    const failure = {
      code: isOurs ? error.code : undefined,
      message: isOurs || !(error instanceof Error) ? messageOf(error) : (error.stack ?? ''),
      hint: isOurs ? error.hint : undefined,
    }
    reply = { id, failure }
    // What broke the catalog's connection must not break the next question as well.
    await desk.close().catch(() => undefined)
  }
  port?.postMessage(reply)
}
