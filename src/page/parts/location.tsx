// Where an archive lies, as a badge: on this host, on a server, on both.

import type { Archive } from '../api-types.ts'
import type { IconName } from './icon.tsx'
import { Badge } from './shown.tsx'
import type { Tone } from '../tone.ts'

const PLACES: Readonly<Record<'local' | 's3' | 'both', readonly [Tone, IconName, string]>> = {
  local: ['warning', 'disk', 'local'],
  s3: ['good', 'server', 'server'],
  both: ['good', 'both', 'both'],
}

const TITLES = {
  local: 'only on the disk of this host',
  s3: 'on a server',
  both: 'on a server, and on the disk of this host',
}

export function LocationBadge({
  archive,
}: {
  readonly archive: Pick<Archive, 'location' | 'state'>
}) {
  const { location, state } = archive
  if (state === 'failed') return <Badge tone="bad">failed</Badge>
  if (state === 'deleted') return <Badge tone="quiet">deleted</Badge>
  if (state === 'packing') return <Badge tone="info">being packed</Badge>
  if (location === null) return <Badge tone="bad">nowhere that is configured</Badge>
  const [tone, icon, word] = PLACES[location]
  return (
    <Badge tone={tone} icon={icon} title={TITLES[location]}>
      {word}
    </Badge>
  )
}
