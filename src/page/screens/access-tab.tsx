// Who changed something through the API, as the daemon noted it.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { Audit } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Panel } from '../parts/screen.tsx'
import { Ago, Badge, Empty, Name, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Table } from '../parts/table.tsx'
import { useRefusal } from '../session.ts'

const PAGE = 50

export function AccessTab() {
  const refusal = useRefusal('admin')
  return (
    <Panel title="Who asked for what">
      <p class="panel-text">
        Tokens are made and revoked on the host: <code>spillway token create</code>,{' '}
        <code>spillway token revoke</code>.
      </p>
      {refusal === undefined ? (
        <Log />
      ) : (
        <Note tone="info">
          <p>Not shown: {refusal}.</p>
        </Note>
      )}
    </Panel>
  )
}

function Log() {
  const [limit, setLimit] = useState(PAGE)
  const { value, problem } = useLoad(`audit ${limit}`, (signal) =>
    get<Audit>(withQuery('/api/audit', { limit }), signal),
  )
  if (value === undefined)
    return problem === undefined ? <Waiting what="the log" /> : <ProblemNote problem={problem} />
  if (value.entries.length === 0) return <Empty icon="clock" title="Nothing was asked for yet" />
  return (
    <>
      <Table
        caption="Requests, newest first"
        rows={value.entries.map((entry, index) => ({ ...entry, index }))}
        keyOf={({ index }) => String(index)}
        columns={[
          {
            ...{ title: 'Token', isHead: true },
            cell: ({ token }) => (token === null ? 'none' : <Name>{token}</Name>),
          },
          { title: 'When', cell: ({ at }) => <Ago at={at} /> },
          {
            title: 'Request',
            cell: ({ method, path }) => (
              <>
                {method} <Name isPath>{path}</Name>
              </>
            ),
          },
          {
            title: 'Answer',
            cell: ({ status }) => (
              <Badge tone={status < 400 ? 'good' : 'bad'}>{String(status)}</Badge>
            ),
          },
          { title: 'From', cell: ({ remoteAddress }) => remoteAddress },
        ]}
      />
      {value.next !== null && <Button onPress={() => setLimit(limit + PAGE)}>Show more</Button>}
    </>
  )
}
