// The journal of a job for a screen: it grows while somebody looks, and the screen is drawn ten times a second
// at most, however fast it grows.

import { useEffect, useRef, useState } from 'preact/hooks'
import { refreshAll } from './api.ts'
import { followJob } from './events.ts'
import { RunModel } from './run-model.ts'

const DRAW_EVERY_MS = 100

export type Journal = {
  readonly model: RunModel
  readonly isOver: boolean
  readonly isLive: boolean
}

export function useJournal(jobId: string): Journal {
  const [, setDrawn] = useState(0)
  const state = useRef({ id: jobId, model: new RunModel(), isOver: false, isLive: false })
  if (state.current.id !== jobId)
    state.current = { id: jobId, model: new RunModel(), isOver: false, isLive: false }
  useEffect(() => {
    const current = state.current
    let timer: ReturnType<typeof setTimeout> | undefined
    const draw = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined
        setDrawn((count) => count + 1)
      }, DRAW_EVERY_MS)
    }
    const stop = followJob(jobId, {
      onEvent: (event) => {
        current.model.add(event)
        draw()
      },
      onConnected: (isLive) => {
        current.isLive = isLive
        draw()
      },
      onEnd: () => {
        current.isOver = true
        draw()
        refreshAll()
      },
    })
    return () => {
      stop()
      clearTimeout(timer)
    }
  }, [jobId])
  const { model, isOver, isLive } = state.current
  return { model, isOver, isLive }
}
