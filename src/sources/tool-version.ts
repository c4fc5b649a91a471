// Versions of dump tools, compared as far as it matters.

/** Below 0: older. Only as many numbers count as `other` has. */
export function compareVersions(version: string, other: readonly number[]): number {
  const numbers = version.split('.').map(Number)
  for (const [at, number] of other.entries()) {
    const difference = (numbers[at] ?? 0) - number
    if (difference !== 0) return difference
  }
  return 0
}
