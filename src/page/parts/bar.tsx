// Bars of shares. Widths are attributes of SVG, since the page's policy takes no styles in its markup; what a
// bar shows stands beside it in words.

export type Segment = { readonly kind: string; readonly share: number }

export function Bar({
  segments,
  label,
}: {
  readonly segments: readonly Segment[]
  readonly label: string
}) {
  let at = 0
  const drawn = segments.map(({ kind, share }) => {
    const width = Math.max(0, Math.min(1 - at, share)) * 100
    const x = at * 100
    at += width / 100
    return (
      <rect key={kind} class={`seg-${kind}`} x={`${x}%`} y="0" width={`${width}%`} height="100%" />
    )
  })
  return (
    <svg class="bar" role="img" aria-label={label} width="100%" height="10">
      <rect class="seg-ground" x="0" y="0" width="100%" height="100%" />
      {drawn}
    </svg>
  )
}

/** `share` undefined: it is not known how far it is. */
export function Progress({
  share,
  label,
}: {
  readonly share: number | undefined
  readonly label: string
}) {
  return share === undefined ? (
    <progress class="progress" aria-label={label} />
  ) : (
    <progress class="progress" aria-label={label} max={1} value={Math.min(1, share)} />
  )
}
