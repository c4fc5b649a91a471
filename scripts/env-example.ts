// Writes .env.example from the tables of settings: npm run env-example

import { writeFileSync } from 'node:fs'
import { renderExample } from '../src/config/example.ts'

writeFileSync('.env.example', renderExample())
