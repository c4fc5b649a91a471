// A table on a wide screen, a list of cards on a phone: the same rows, and each cell knows its column's name.

import type { ComponentChildren } from 'preact'

export type Column<Row> = {
  readonly title: string
  readonly cell: (row: Row) => ComponentChildren
  readonly isNumber?: boolean
  /** What a card begins with. */
  readonly isHead?: boolean
  /** Its title is only for those who cannot see what is in it. */
  readonly isTitleUnseen?: boolean
}

export function Table<Row>(input: {
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  readonly isCaptionSeen?: boolean
}) {
  const { caption, columns, rows, keyOf, isCaptionSeen = false } = input
  return (
    <div class="table-frame">
      <table class="table">
        <caption class={isCaptionSeen ? undefined : 'unseen'}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, isNumber, isTitleUnseen }) => (
              <th key={title} scope="col" class={isNumber === true ? 'number' : undefined}>
                {isTitleUnseen === true ? <span class="unseen">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <Cell key={column.title} column={column} row={row} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Cell<Row>({ column, row }: { readonly column: Column<Row>; readonly row: Row }) {
  const { title, isNumber, isHead, isTitleUnseen, cell } = column
  const content = cell(row)
  const kinds = [isNumber === true && 'number', isHead === true && 'head'].filter(Boolean)
  const isNothing = content === null || content === undefined || content === ''
  const name = kinds.concat(isNothing ? ['nothing'] : []).join(' ') || undefined
  const label = isTitleUnseen === true || isHead === true ? undefined : title
  if (isHead === true)
    return (
      <th scope="row" class={name}>
        {content}
      </th>
    )
  return (
    <td class={name} data-label={label}>
      {content}
    </td>
  )
}
