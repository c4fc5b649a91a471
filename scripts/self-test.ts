#!/usr/bin/env node
// `npm run self-test`: the same as `spillway self-test`, whose flags it takes.

process.argv.splice(2, 0, 'self-test')
await import('../src/main.ts')
