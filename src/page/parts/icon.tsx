// The icons: lines on a grid of 20, drawn in the colour of the text beside them. They are ornament; what they
// mean is always said in words, too.

const PATHS = {
  overview: 'M3 10.5 10 4l7 6.5M5 9v7h10V9',
  archives: 'M3 4.500h14v3.500H3zM4.500 8v8h11V8M8 11h4',
  files: 'M8.500 14.500a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM13 13l4.500 4.500',
  runs: 'M3 10h3l2.500-6 3.500 12 2.500-6H17',
  settings:
    'M10 12.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM10 2.500v2.300M10 15.200v2.300M2.500 10h2.300M15.200 10h2.300M4.700 4.700l1.600 1.600M13.700 13.700l1.600 1.600M4.700 15.300l1.600-1.600M13.700 6.300l1.600-1.600',
  good: 'M4 10.500l4 4 8-9',
  warning: 'M10 3 18 16.500H2zM10 8v4M10 14.200v.3',
  bad: 'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM7.200 7.200l5.600 5.600M12.800 7.200l-5.600 5.600',
  busy: 'M10 2.500a7.500 7.500 0 1 1-7.500 7.500',
  waiting: 'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 6v4.200l2.800 1.800',
  none: 'M5 10h10',
  info: 'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 9v4.500M10 6.300v.3',
  server: 'M3 4h14v5H3zM3 11h14v5H3zM6 6.500h.2M6 13.500h.2',
  disk: 'M4 3h12v14H4zM7 13.500h6M10 9.500a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600z',
  both: 'M2.500 3.500h9v9h-9zM8.500 8h9v9h-9z',
  folder: 'M2.500 5h5l1.700 2h8.300v9h-15z',
  file: 'M5 2.500h6.500L15 6v11.500H5zM11 2.500V6.500h4',
  pin: 'M7 3h6l-1 5 2.500 3h-9L8 8zM10 11v6',
  play: 'M6 4l10 6-10 6z',
  up: 'M10 16V4.500M5 9l5-5 5 5',
  down: 'M10 4v11.500M5 11l5 5 5-5',
  plus: 'M10 4v12M4 10h12',
  close: 'M5 5l10 10M15 5L5 15',
  next: 'M8 5l5 5-5 5',
  theme:
    'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 2.500v15M10 6.500h5.800M10 10h7.300M10 13.500h5.800',
  leave: 'M8 3.500H3.500v13H8M12 6.500l4 3.500-4 3.500M16 10H8',
  clock: 'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 5.500V10l3 2',
  download: 'M10 3v9.500M5.500 8.500 10 13l4.500-4.500M3.500 16.500h13',
  restore: 'M4 10a6 6 0 1 0 2-4.500M4 3v4h4',
  verify:
    'M10 2.500l6.500 2.500v5c0 4-3 6.500-6.500 7.500-3.500-1-6.500-3.500-6.500-7.500V5zM7 10l2.200 2.200L13 8',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      class={`icon icon-${name}`}
      viewBox="0 0 20 20"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

/** The sign of the product: water going over a spillway to the next level. */
export function Logo() {
  return (
    <svg
      class="logo"
      viewBox="0 0 32 32"
      width="28"
      height="28"
      aria-hidden="true"
      focusable="false"
    >
      <rect width="32" height="32" rx="7" class="logo-ground" />
      <path
        d="M6 9h7c5 0 4 14 9 14h4M6 15.500h4M6 22h8"
        fill="none"
        class="logo-water"
        stroke-width="3.2"
        stroke-linecap="round"
      />
    </svg>
  )
}
