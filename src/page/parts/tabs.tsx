// Links between the halves of a screen. They are addresses, so they are links and no widget of their own.

export function Tabs(input: {
  readonly label: string
  readonly current: string
  readonly tabs: readonly { readonly id: string; readonly title: string; readonly href: string }[]
}) {
  return (
    <nav class="tabs" aria-label={input.label}>
      <ul>
        {input.tabs.map(({ id, title, href }) => (
          <li key={id}>
            <a href={href} aria-current={id === input.current ? 'page' : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}
