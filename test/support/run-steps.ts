// The steps of a run at which its process may die: every call that changes the catalog, or a server. Each is
// two moments, before and after it. Nothing in the product knows of this: the services of a run are wrapped.

import type { RunServices } from '../../src/operations/run.ts'
import type { Storage } from '../../src/storage/storage.ts'

export type Moment = {
  readonly when: 'before' | 'after'
  /** E.g. `catalog.reserve`, `storage.complete`. */
  readonly step: string
}

export const nameOf = ({ when, step }: Moment): string => `${when} ${step}`

/** What only looks, and what ends the run itself, is no step. */
const CHANGES = /^(?:add|begin|drop|end|mark|register|reserve|resize|set|save|forget|note|record)/
const ON_SERVER = /^(?:prepare|begin|putPart|putSmall|complete|abort|head|remove)$/

/**
 * The services with `hit` called before and after each step. What `hit` throws, the step throws; a step after which it
 * throws was done all the same.
 */
export function withSteps(services: RunServices, hit: (moment: Moment) => void): RunServices {
  const pool = watch(services.pool, /^(?:)$/, 'pool', hit)
  const ready: RunServices['pool']['ready'] = async (server, signal) =>
    watch<Storage>(await services.pool.ready(server, signal), ON_SERVER, 'storage', hit)
  return {
    ...services,
    catalog: watch(services.catalog, CHANGES, 'catalog', hit),
    pool: new Proxy(pool, {
      get: (target, name) => (name === 'ready' ? ready : (Reflect.get(target, name) as unknown)),
    }),
  }
}

function watch<Service extends object>(
  service: Service,
  steps: RegExp,
  owner: string,
  hit: (moment: Moment) => void,
): Service {
  return new Proxy(service, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const call = (value as (...args: unknown[]) => unknown).bind(target)
      if (typeof name !== 'string' || !steps.test(name)) return call
      const step = `${owner}.${name}`
      return async (...args: unknown[]) => {
        hit({ when: 'before', step })
        const result = await call(...args)
        hit({ when: 'after', step })
        return result
      }
    },
  })
}
