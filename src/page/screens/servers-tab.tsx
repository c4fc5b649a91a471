// The servers in the order in which they are tried, which can be changed.

import { useRef, useState } from 'preact/hooks'
import { refreshAll, send, withQuery } from '../api.ts'
import type { Entry } from '../settings-types.ts'
import { useAction } from '../load.ts'
import { Button, LinkButton } from '../parts/button.tsx'
import { Confirm } from '../parts/dialog.tsx'
import { Badge, Empty, Name, Note, ProblemNote } from '../parts/shown.tsx'
import { Panel } from '../parts/screen.tsx'
import { tell } from '../parts/toast.tsx'
import { linkTo } from '../route.ts'
import { errorText } from '../settings-form.ts'
import type { TabInput } from './settings.tsx'

export function labelOfServer({ number, label, settings }: Entry): string {
  const place = [settings['ENDPOINT'], settings['BUCKET']].filter(Boolean).join('/')
  return settings['LABEL'] ?? label ?? (place === '' ? `server ${number}` : place)
}

export function ServersTab({ settings, refusal }: TabInput) {
  const { servers, revision } = settings
  const add = refusal === undefined && (
    <LinkButton kind="primary" icon="plus" href={linkTo(['settings', 'servers', 'new'])}>
      Add a server
    </LinkButton>
  )
  if (servers.length === 0)
    return (
      <Empty icon="server" title="No servers yet: add the first one">
        <p>
          Archives go to the first server that has room and is well; when it is full or fails, to
          the next.
        </p>
        {add}
      </Empty>
    )
  return (
    <Panel title="S3 servers" aside={add}>
      <p class="panel-text">They are tried from top to bottom.</p>
      <ServerOrder servers={servers} revision={revision} refusal={refusal} />
    </Panel>
  )
}

type OrderInput = {
  readonly servers: readonly Entry[]
  readonly revision: string
  readonly refusal: string | undefined
}

function ServerOrder({ servers, revision, refusal }: OrderInput) {
  const list = useRef<HTMLOListElement>(null)
  const move = useAction(async (at: number, by: 1 | -1) => {
    const order = servers.map(({ number }) => number)
    const [moved] = order.splice(at, 1)
    if (moved === undefined) return
    order.splice(at + by, 0, moved)
    await send('PUT', '/api/servers/order', { revision, order })
    const entry = servers[at]
    tell(`${entry === undefined ? 'It' : labelOfServer(entry)} is number ${at + by + 1} now`)
    refreshAll()
    // The focus goes with what was moved.
    const button = list.current?.querySelectorAll('li')[at + by]?.querySelector('button')
    if (button instanceof HTMLElement) button.focus()
  })
  return (
    <>
      <ProblemNote problem={move.problem} />
      <ol class="entries" ref={list}>
        {servers.map((entry, at) => (
          <li key={entry.number} class="entry">
            <div class="entry-order">
              <Button
                kind="quiet"
                icon="up"
                label={`Move ${labelOfServer(entry)} up`}
                refusal={refusal ?? (at === 0 ? 'it is the first one' : undefined)}
                onPress={() => void move.run(at, -1)}
              />
              <Button
                kind="quiet"
                icon="down"
                label={`Move ${labelOfServer(entry)} down`}
                refusal={refusal ?? (at === servers.length - 1 ? 'it is the last one' : undefined)}
                onPress={() => void move.run(at, 1)}
              />
            </div>
            <ServerEntry entry={entry} revision={revision} refusal={refusal} />
          </li>
        ))}
      </ol>
    </>
  )
}

function ServerEntry(input: {
  readonly entry: Entry
  readonly revision: string
  readonly refusal: string | undefined
}) {
  const { entry, revision, refusal } = input
  const { settings, number, problems } = entry
  const isOn = settings['ENABLED'] !== 'false'
  const toggle = useAction(async () => {
    await send('PATCH', `/api/servers/${number}`, {
      revision,
      settings: { ENABLED: isOn ? 'false' : null },
    })
    tell(isOn ? 'It is switched off: nothing new goes there' : 'It is in use again')
    refreshAll()
  })
  return (
    <div class="entry-body">
      <div class="entry-head">
        <p class="card-title">
          <a href={linkTo(['settings', 'servers', String(number)])}>
            <Name>{labelOfServer(entry)}</Name>
          </a>
        </p>
        {isOn ? <Badge tone="good">in use</Badge> : <Badge tone="quiet">switched off</Badge>}
      </div>
      <p class="under">
        {settings['ENDPOINT'] ?? 'no endpoint'}
        {settings['BUCKET'] === undefined ? '' : ` · bucket ${settings['BUCKET']}`} · up to{' '}
        {settings['STORAGE_LIMIT_GB'] ?? '100'} GB
      </p>
      {problems.map((problem) => (
        <Note key={problem.variable} tone="bad">
          <p>
            <code>{problem.variable}</code> {errorText(problem)}
          </p>
        </Note>
      ))}
      <ProblemNote problem={toggle.problem} />
      <div class="entry-actions">
        <LinkButton href={linkTo(['settings', 'servers', String(number)])}>
          {refusal === undefined ? 'Change or test' : 'Look'}
        </LinkButton>
        <Button
          kind="quiet"
          refusal={refusal}
          isBusy={toggle.isBusy}
          onPress={() => void toggle.run()}
        >
          {isOn ? 'Switch off' : 'Use it again'}
        </Button>
        <RemoveEntry
          group="servers"
          what={labelOfServer(entry)}
          {...{ number, revision, refusal }}
          warning="Its archives stay where they are, but are counted as “not configured”: they are not pruned, and cannot be restored until the entry comes back."
        />
      </div>
    </div>
  )
}

export function RemoveEntry(input: {
  readonly group: 'servers' | 'sources' | 'notifications'
  readonly what: string
  readonly number: number
  readonly revision: string
  readonly refusal: string | undefined
  readonly warning: string
}) {
  const { group, what, number, revision, refusal, warning } = input
  const [isAsking, setAsking] = useState(false)
  const remove = useAction(async () => {
    const path = withQuery(`/api/${group}/${number}`, { revision })
    const { note } = await send<{ readonly note?: string }>('DELETE', path)
    setAsking(false)
    tell(note ?? `${what} is removed`)
    refreshAll()
  })
  return (
    <>
      <Button
        kind="quiet"
        refusal={refusal}
        label={`Remove ${what}`}
        onPress={() => setAsking(true)}
      >
        Remove
      </Button>
      {isAsking && (
        <Confirm
          title={`Remove ${what}?`}
          verb="Remove it"
          isBusy={remove.isBusy}
          onConfirm={() => void remove.run()}
          onClose={() => setAsking(false)}
        >
          <p>{warning}</p>
          <ProblemNote problem={remove.problem} />
        </Confirm>
      )}
    </>
  )
}
