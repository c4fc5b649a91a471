// What a Redis server says about itself in INFO, as far as an archive of it needs that.

export type RedisFacts = {
  readonly product: 'redis' | 'valkey'
  readonly version: string
  readonly role: string
  readonly isLoading: boolean
  readonly isSentinel: boolean
  readonly isCluster: boolean
  /** In memory; a snapshot is smaller. */
  readonly usedBytes: number | undefined
  /** Those with keys. */
  readonly databases: readonly { readonly name: string; readonly keys: number }[]
}

/** undefined: that is no INFO. */
export function redisFacts(info: string): RedisFacts | undefined {
  const fields = new Map(
    info.split(/\r?\n/).flatMap((line): [string, string][] => {
      const at = line.indexOf(':')
      return at < 1 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    }),
  )
  const valkey = fields.get('valkey_version')
  const version = valkey ?? fields.get('redis_version')
  if (version === undefined) return undefined
  const used = Number(fields.get('used_memory'))
  return {
    product: valkey === undefined ? 'redis' : 'valkey',
    version,
    role: fields.get('role') ?? 'unknown',
    isLoading: fields.get('loading') === '1' || fields.get('async_loading') === '1',
    isSentinel: fields.get('redis_mode') === 'sentinel',
    isCluster: fields.get('cluster_enabled') === '1',
    usedBytes: Number.isSafeInteger(used) && used > 0 ? used : undefined,
    databases: [...fields].flatMap(([name, value]) => {
      const [, keys] = /^keys=(\d+)/.exec(value) ?? []
      return /^db\d+$/.test(name) && keys !== undefined ? [{ name, keys: Number(keys) }] : []
    }),
  }
}
