// spillway unpin: puts pinned archives under the retention rules again.

import { createPinCommand } from './pin.ts'

export const unpinCommand = createPinCommand(false)
