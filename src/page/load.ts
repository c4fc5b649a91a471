// What a screen shows comes by useLoad: loaded when the screen opens, again at intervals while somebody looks,
// and again when something was changed. What was there stays on the screen until there is news.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { ApiProblem } from './api.ts'
import { problemFrom, pulse } from './api.ts'
import { useStore } from './store.ts'

export type Loaded<Value> = {
  readonly value: Value | undefined
  readonly problem: ApiProblem | undefined
  readonly isLoading: boolean
  readonly reload: () => void
}

/** `key` says what is loaded: with another one, what was there is no answer any more. */
export function useLoad<Value>(
  key: string,
  load: (signal: AbortSignal) => Promise<Value>,
  everyMs?: number,
): Loaded<Value> {
  const [state, setState] = useState<{
    readonly key: string
    readonly value: Value | undefined
    readonly problem: ApiProblem | undefined
    readonly isLoading: boolean
  }>({ key, value: undefined, problem: undefined, isLoading: true })
  const [asked, setAsked] = useState(0)
  const changed = useStore(pulse)
  const latest = useRef(load)
  latest.current = load
  useEffect(() => {
    const ended = new AbortController()
    const again = async (): Promise<void> => {
      try {
        const value = await latest.current(ended.signal)
        if (!ended.signal.aborted) setState({ key, value, problem: undefined, isLoading: false })
      } catch (error) {
        if (ended.signal.aborted) return
        const problem = problemFrom(error)
        setState((before) => ({
          key,
          value: before.key === key ? before.value : undefined,
          problem,
          isLoading: false,
        }))
      }
    }
    void again()
    const timer =
      everyMs === undefined
        ? undefined
        : setInterval(() => {
            if (document.visibilityState === 'visible') void again()
          }, everyMs)
    return () => {
      ended.abort()
      clearInterval(timer)
    }
  }, [key, asked, changed, everyMs])
  const reload = useCallback(() => setAsked((count) => count + 1), [])
  const isCurrent = state.key === key
  return {
    value: isCurrent ? state.value : undefined,
    problem: isCurrent ? state.problem : undefined,
    isLoading: isCurrent ? state.isLoading : true,
    reload,
  }
}

export type Action<Args extends readonly unknown[]> = {
  readonly run: (...args: Args) => Promise<boolean>
  readonly isBusy: boolean
  readonly problem: ApiProblem | undefined
  readonly clear: () => void
}

/** Something that a person asks for: once at a time, and its failure is shown where it was asked for. */
export function useAction<Args extends readonly unknown[]>(
  work: (...args: Args) => Promise<void>,
): Action<Args> {
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<ApiProblem | undefined>(undefined)
  const busy = useRef(false)
  const run = async (...args: Args): Promise<boolean> => {
    if (busy.current) return false
    busy.current = true
    setBusy(true)
    setProblem(undefined)
    try {
      await work(...args)
      return true
    } catch (error) {
      setProblem(problemFrom(error))
      return false
    } finally {
      busy.current = false
      setBusy(false)
    }
  }
  return { run, isBusy, problem, clear: () => setProblem(undefined) }
}
