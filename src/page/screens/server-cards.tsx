// The servers with their room: a bar of what is used, by whom, and when it will be full.

import type { ServerStatus, Status } from '../api-types.ts'
import { Bar } from '../parts/bar.tsx'
import { Panel } from '../parts/screen.tsx'
import { Ago, Badge, Name, Note } from '../parts/shown.tsx'
import type { Tone } from '../tone.ts'
import { linkTo } from '../route.ts'
import { percentText, plural, sentence, sizeText } from '../text.ts'

export function ServerCards({ status }: { readonly status: Status }) {
  const { servers, forecast } = status
  return (
    <Panel title="Servers" aside={<a href={linkTo(['settings', 'servers'])}>Change</a>}>
      <ul class="cards">
        {servers.map((server) => (
          <ServerCard
            key={`${server.endpoint} ${server.bucket ?? ''} ${server.label}`}
            server={server}
          />
        ))}
      </ul>
      <div class="panel-notes">
        {forecast.warnings.map((text) => (
          <Note key={text} tone="warning">
            <p>{sentence(text)}</p>
          </Note>
        ))}
        {forecast.notices.map((text) => (
          <Note key={text} tone="info">
            <p>{sentence(text)}</p>
          </Note>
        ))}
        <p class="hint">{forecastText(forecast)}</p>
      </div>
    </Panel>
  )
}

function forecastText({ reason, fullInNights, nights }: Status['forecast']): string {
  if (reason !== null) return `No forecast yet: ${reason}.`
  return fullInNights === null
    ? `All servers together have room for at least ${nights} more nights, if things go on as they went.`
    : `All servers together are full in ${plural(fullInNights, 'night')}, if things go on as they went.`
}

const HEALTHS: Readonly<Record<ServerStatus['health'], readonly [Tone, string]>> = {
  alive: ['good', 'well'],
  full: ['warning', 'full'],
  dead: ['bad', 'does not answer'],
  misconfigured: ['bad', 'refuses us'],
  unknown: ['quiet', 'not asked yet'],
}

export function HealthBadge({ server }: { readonly server: ServerStatus }) {
  if (server.number === null) return <Badge tone="quiet">not configured any more</Badge>
  if (!server.enabled) return <Badge tone="quiet">switched off</Badge>
  const [tone, word] = HEALTHS[server.health]
  return <Badge tone={tone}>{word}</Badge>
}

function ServerCard({ server }: { readonly server: ServerStatus }) {
  const { limitBytes, usedBytes, reservedBytes, otherBytes, catalogBytes } = server
  const limit = limitBytes ?? Math.max(1, usedBytes + otherBytes + catalogBytes)
  const taken = usedBytes + catalogBytes + otherBytes
  const label =
    limitBytes === null
      ? `${sizeText(taken)} used`
      : `${sizeText(taken)} of ${sizeText(limitBytes)} used (${percentText(taken / limit)})`
  return (
    <li class="card">
      <div class="card-head">
        <p class="card-title">
          <Name>{server.label}</Name>
        </p>
        <HealthBadge server={server} />
      </div>
      {server.healthReason !== null && server.health !== 'alive' && (
        <p class="card-reason">{sentence(server.healthReason)}</p>
      )}
      <Bar
        label={label}
        segments={[
          { kind: 'used', share: (usedBytes + catalogBytes) / limit },
          { kind: 'other', share: otherBytes / limit },
          { kind: 'reserved', share: reservedBytes / limit },
        ]}
      />
      <p class="card-line">{label}</p>
      <ul class="legend">
        <li>
          <span class="key key-used" /> {plural(server.archives, 'archive')}
        </li>
        {otherBytes > 0 && (
          <li>
            <span class="key key-other" /> {sizeText(otherBytes)} of others
          </li>
        )}
        {reservedBytes > 0 && (
          <li>
            <span class="key key-reserved" /> {sizeText(reservedBytes)} reserved
          </li>
        )}
      </ul>
      <p class="hint">
        {fullText(server)}
        {server.checkedAt !== null && (
          <>
            Asked <Ago at={server.checkedAt} />.
          </>
        )}
      </p>
    </li>
  )
}

function fullText({ fullInNights }: ServerStatus): string {
  if (fullInNights === null) return ''
  return fullInNights === 1
    ? 'Full with the next night. '
    : `Full in ${plural(fullInNights, 'night')}. `
}
