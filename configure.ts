#!/usr/bin/env node
// `npm run configure`: the same as `spillway configure`, whose flags it takes.

process.argv.splice(2, 0, 'configure')
await import('./src/main.ts')
