// The page begins here.

import { render } from 'preact'
import { App } from './app.tsx'
import { installSafeText } from './safe-text.ts'
import { show } from './theme.ts'

installSafeText()
show()
const place = document.querySelector('#app')
if (place !== null) render(<App />, place)
