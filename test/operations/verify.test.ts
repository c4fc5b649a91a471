// Verifying, against real bytes on model servers: what is damaged is found and named, what is whole is
// proven, and progress is kept.

import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { eventLine } from '../../src/cli/event-text.ts'
import { openServices } from '../../src/compose.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { verify } from '../../src/operations/verify.ts'
import type { VerifyInput } from '../../src/operations/verify.ts'
import type { VerifyReport } from '../../src/operations/verify-report.ts'
import { VerifyServers } from '../../src/operations/verify-servers.ts'
import { readLayout } from '../../src/pack/verify-layout.ts'
import type { ArchiveLayout } from '../../src/pack/verify-layout.ts'
import { randomFrom } from '../catalog/fixtures.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { QUICK, World } from '../support/world.ts'
import type { WorldServer } from '../support/world.ts'

const worlds: World[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

const DEEP = { isDeep: true }

describe('verify by HEAD', () => {
  it('proves presence, size and token of every copy, and dates the archive', async () => {
    const world = await oneArchive()
    const before = await world.withCatalog((catalog) => catalog.archives())
    expect(before[0]?.verifiedAt).toBeUndefined()

    const report = await verified(world)

    expect(report).toMatchObject({
      outcome: 'ok',
      exit: 0,
      problems: [],
      warnings: [],
      readBytes: 0,
    })
    expect(report.archives[0]?.copies).toMatchObject([
      { server: 1, outcome: 'proven', frames: null },
    ])
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    expect(archive?.verifiedAt?.toISOString()).toBe(report.archives[0]?.verifiedAt)
  })

  it('makes a copy missing that is gone, keeps its bytes counted, and says it again next time', async () => {
    const world = await oneArchive()
    const { key, sizeBytes } = objectOf(world)
    await removeObject(world, key)

    for (const time of ['first', 'second']) {
      const report = await verified(world)
      expect(report, time).toMatchObject({ outcome: 'failed', exit: 30 })
      expect(report.problems).toMatchObject([{ place: 'object', server: 1 }])
      expect(report.problems[0]?.what).toContain(`${key} is gone`)
    }

    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      expect(archive).toMatchObject({ verifiedAt: undefined, copies: [{ state: 'missing' }] })
      expect((await catalog.servers())[0]?.usedBytes).toBe(sizeBytes)
      expect(await catalog.problems()).toMatchObject([{ place: 'object', file: archive?.file }])
      await catalog.check()
    })
  })

  it('takes a copy as stored that is there again, and settles what was said of it', async () => {
    const world = await oneArchive()
    const { key, metadata } = objectOf(world)
    const bytes = world.models[0]!.bytesOf(key)
    await removeObject(world, key)
    expect((await verified(world)).exit).toBe(30)
    world.models[0]!.seed(key, bytes, metadata)

    // Its ETag is another: only its bytes can tell.
    expect(await verified(world)).toMatchObject({ exit: 3, problems: [{ place: 'object' }] })
    expect(await verified(world, DEEP)).toMatchObject({ exit: 0, problems: [] })

    await world.withCatalog(async (catalog) => {
      expect(await catalog.problems()).toEqual([])
      expect((await catalog.archives())[0]?.copies).toMatchObject([{ state: 'stored' }])
      await catalog.check()
    })
    expect(await world.audit()).toEqual([])
  })

  it('does not take an object of others for ours, whatever its size [F94]', async () => {
    const world = await oneArchive()
    const { key, sizeBytes } = objectOf(world)
    world.models[0]!.seed(key, Buffer.alloc(sizeBytes))

    const report = await verified(world)

    expect(report).toMatchObject({ exit: 31, problems: [{ place: 'object' }] })
    expect(report.problems[0]?.what).toBe(`what lies at ${key} has no write token of Spillway`)
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    expect(archive?.copies).toMatchObject([{ state: 'stored' }])
    expect(archive?.verifiedAt).toBeUndefined()
  })

  it('says so when our token comes with another size [F35b]', async () => {
    const world = await oneArchive()
    const { key, sizeBytes, metadata } = objectOf(world)
    world.models[0]!.seed(key, Buffer.alloc(sizeBytes - 1), metadata)

    const report = await verified(world)

    expect(report.exit).toBe(31)
    expect(report.problems[0]?.what).toBe(
      `${key} has ${sizeBytes - 1} bytes, and ${sizeBytes} were stored`,
    )
  })

  it('wants an object read back that was written again, and then takes it as ours', async () => {
    const world = await oneArchive()
    const { key, metadata } = objectOf(world)
    world.models[0]!.seed(key, world.models[0]!.bytesOf(key), metadata)

    const heads = await verified(world)
    expect(heads).toMatchObject({ outcome: 'warnings', exit: 3 })
    expect(heads.archives[0]).toMatchObject({
      verifiedAt: null,
      copies: [{ outcome: 'rewritten' }],
    })

    const deep = await verified(world, DEEP)
    expect(deep).toMatchObject({ exit: 0, problems: [] })
    expect(deep.archives[0]?.copies[0]?.outcome).toBe('proven')
    expect(await verified(world)).toMatchObject({ exit: 0, problems: [] })
  })

  it('wants all of it read back again that was written once more in between', async () => {
    const world = await oneArchive({ noiseBytes: 40_000_000 })
    const { key, metadata } = objectOf(world)
    const bytes = world.models[0]!.bytesOf(key)
    const share = { ...DEEP, budgetBytes: 40_000_000 }
    world.models[0]!.seed(key, bytes, metadata)
    expect((await verified(world, share)).archives[0]?.copies[0]?.outcome).toBe('rewritten')
    world.models[0]!.seed(key, bytes, metadata)

    // What is left fits into this share; what was read before the second writing counts no more.
    expect((await verified(world, share)).archives[0]?.copies[0]?.outcome).toBe('rewritten')
    expect(await verified(world, share)).toMatchObject({ exit: 0, problems: [] })
    // The same of an object that was proven before.
    world.models[0]!.seed(key, bytes, metadata)
    expect(await verified(world, DEEP)).toMatchObject({ exit: 0, problems: [] })
  }, 30_000)

  it('concludes nothing from a server that does not answer, and asks the others', async () => {
    const world = await oneArchive({ copies: 2 })
    await world.models[0]!.close()

    const report = await verified(world)

    expect(report).toMatchObject({ outcome: 'failed', exit: 20, problems: [] })
    expect(report.archives[0]?.copies.map(({ outcome }) => outcome)).toEqual(['unasked', 'proven'])
    expect(report.warnings).toHaveLength(1)
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    expect(archive?.copies.map(({ state }) => state)).toEqual(['stored', 'stored'])
    // The other copy could have been restored.
    expect(archive?.verifiedAt).toBeDefined()
  })
})

describe('verify --deep', () => {
  it('proves every frame, and dates the copy', async () => {
    const world = await oneArchive()

    const report = await verified(world, DEEP)

    expect(report).toMatchObject({ exit: 0, problems: [], isBudgetSpent: false })
    const [copy] = report.archives[0]!.copies
    expect(copy?.frames).toBeGreaterThan(5)
    expect(copy?.provenFrames).toBe(copy?.frames)
    expect(copy?.deepVerifiedAt).not.toBeNull()
    expect(report.readBytes).toBeGreaterThanOrEqual(objectOf(world).sizeBytes)
  })

  it('finds one flipped byte wherever it is, and names frame and members [F35a]', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    const random = randomFrom(seed)
    const world = await oneArchive({ noiseBytes: 5_000_000 })
    const layout = await layoutOf(world)
    const { key, sizeBytes } = objectOf(world)
    const { tarFrameCount, frameCount } = layout
    const tarEnd = layout.frames.frame(tarFrameCount).fileOffsetBytes
    const manifestAt = layout.frames.frame(frameCount - 1).fileOffsetBytes
    const tableAt = manifestAt + layout.frames.frame(frameCount - 1).storedBytes
    const between = (from: number, to: number) => from + Math.floor(random() * (to - from))
    const positions = [
      ...Array.from({ length: 12 }, () => between(0, tarEnd)),
      // Headers of frames, and the last bytes: where a reader that guesses goes wrong.
      ...[
        0,
        4,
        5,
        tarEnd - 1,
        tarEnd,
        tarEnd + 4,
        manifestAt,
        manifestAt + 4,
        tableAt,
        tableAt + 4,
      ],
      ...Array.from({ length: 12 }, () => between(tarEnd, manifestAt)),
      ...Array.from({ length: 8 }, () => between(manifestAt, tableAt)),
      ...Array.from({ length: 12 }, () => between(tableAt, sizeBytes)),
      ...Array.from({ length: 9 }, (_, back) => sizeBytes - 1 - back),
    ]
    for (const position of positions) {
      const say = `byte ${position} of ${sizeBytes}, SEED=${seed}`
      world.models[0]!.corrupt(key, position)
      const report = await verified(world, DEEP)
      world.models[0]!.corrupt(key, position)

      expect(report.exit, say).toBe(31)
      // Behind a damaged end nothing can be read: what was there before stays known.
      const met = report.problems.filter(({ knownSince }) => knownSince === null)
      expect(met.length, say).toBe(1)
      const problem = met[0]!
      expect(problem, say).toMatchObject({ server: 1, archive: report.archives[0]?.id })
      expect(
        problem.fromByte <= position && position < problem.toByte,
        `${say}: ${JSON.stringify(problem)}`,
      ).toBe(true)
      if (position < tarEnd) {
        const place = frameAt(layout, position)
        expect(problem, say).toMatchObject({ place: 'frame', frame: place.number })
        expect(problem.members, say).toEqual(await membersIn(layout, place))
        expect(problem.memberCount).toBe(problem.members.length)
        expect(report.archives[0]?.copies[0]?.provenFrames, say).toBe(frameCount - 1)
      } else {
        const part =
          position < manifestAt ? 'index' : position < tableAt ? 'manifest' : 'seek table'
        expect(problem.what, say).toContain(part)
        expect(problem.memberCount, say).toBe(0)
      }
      expect(report.archives[0]?.copies[0]?.deepVerifiedAt, say).toBeNull()
    }
    // Mended, everything is proven, and nothing is complained about any more.
    expect(await verified(world, DEEP)).toMatchObject({ exit: 0, problems: [] })
    expect(await world.withCatalog((catalog) => catalog.problems())).toEqual([])
  }, 120_000)

  it('says of damage that it was found earlier, until it is settled', async () => {
    const world = await oneArchive()
    const { key } = objectOf(world)
    const bytes = world.models[0]!.bytesOf(key)
    world.models[0]!.corrupt(key, Math.floor(bytes.length / 2))
    const found = await verified(world, DEEP)
    expect(found).toMatchObject({ exit: 31, problems: [{ knownSince: null }] })

    const heads = await verified(world)

    expect(heads).toMatchObject({ outcome: 'failed', exit: 31, readBytes: 0 })
    expect(heads.archives[0]?.copies).toMatchObject([{ outcome: 'damaged' }])
    const { place, frame, what } = found.problems[0]!
    expect(heads.problems).toMatchObject([{ place, frame, what }])
    expect(heads.problems[0]?.knownSince).toMatch(/^20\d\d-/)
    world.models[0]!.corrupt(key, Math.floor(bytes.length / 2))
    expect(world.models[0]!.bytesOf(key).equals(bytes)).toBe(true)
    expect(await verified(world, DEEP)).toMatchObject({ exit: 0, problems: [] })
  })

  it('reads on behind a damaged frame, and reads the other copy [F35a]', async () => {
    const world = await oneArchive({ copies: 2 })
    const layout = await layoutOf(world)
    const { key } = objectOf(world)
    const [a, b] = [layout.frames.frame(1), layout.frames.frame(3)]
    world.models[1]!.corrupt(key, a.fileOffsetBytes + 1_000)
    world.models[1]!.corrupt(key, b.fileOffsetBytes + 1_000)

    const report = await verified(world, DEEP)

    expect(report.exit).toBe(31)
    expect(report.problems.map(({ server, frame }) => [server, frame])).toEqual([
      [2, 1],
      [2, 3],
    ])
    const [good, bad] = report.archives[0]!.copies
    expect(good).toMatchObject({ outcome: 'proven', provenFrames: layout.frameCount })
    expect(bad).toMatchObject({ outcome: 'damaged', provenFrames: layout.frameCount - 2 })
    const kept = await world.withCatalog((catalog) => catalog.problems())
    expect(kept.map(({ frame }) => frame)).toEqual([1, 3])
    for (const { identity } of kept) expect(identity).toContain(String(world.models[1]!.port))
  })
})

it('says nothing of a copy that retention took away while it was read', async () => {
  const world = await oneArchive({ noiseBytes: 1_000_000 })
  const { key } = objectOf(world)
  const report = await verified(world, DEEP, undefined, undefined, async (catalog) => {
    const [archive] = await catalog.archives()
    await catalog.markDeleting(archive!.copies[0]!.id, 'no rule keeps it')
    await removeObject(world, key)
  })
  expect(report).toMatchObject({ exit: 0, problems: [] })
  expect(report.warnings.join()).toContain('it was deleted meanwhile')
})

it('dates an archive only while a copy of it is sound', async () => {
  const world = await oneArchive({ copies: 2, noiseBytes: 1_000_000 })
  world.models[0]!.corrupt(objectOf(world).key, 500_000)
  const first = await verified(world, DEEP)
  expect([first.exit, first.archives[0]?.verifiedAt]).toEqual([31, expect.any(String)])

  world.models[1]!.corrupt(objectOf(world, 1).key, 500_000)
  const before = first.archives[0]?.verifiedAt
  // Also by HEAD, which sees nothing of what is known.
  for (const input of [DEEP, {}])
    expect((await verified(world, input)).archives[0]?.verifiedAt).toBe(before)
}, 30_000)

describe('verify --deep --budget', () => {
  it('reads no more than the budget, and comes to the end in several nights', async () => {
    const world = await oneArchive({ noiseBytes: 40_000_000 })
    const { sizeBytes } = objectOf(world)
    const budgetBytes = 16_000_000
    const shares: number[] = []
    for (let night = 1; night <= 9; night += 1) {
      const before = world.models[0]!.log.length
      const report = await verified(world, { ...DEEP, budgetBytes })
      const served = servedBytes(world, before)
      expect(served).toBeLessThanOrEqual(budgetBytes)
      expect(report.readBytes).toBe(served)
      const [copy] = report.archives[0]!.copies
      shares.push(copy!.provenFrames)
      if (copy!.provenFrames === copy!.frames) break
    }

    // Each night reads the end anew, and stops where the next frame would be too much.
    const useful = budgetBytes - 4_300_000 - 128 * 1_024
    expect(shares.length).toBeLessThanOrEqual(Math.ceil(sizeBytes / useful))
    expect(shares).toEqual(shares.toSorted((a, b) => a - b))
    const proofs = await world.withCatalog((catalog) => catalog.copyProofs())
    expect([...proofs.values()][0]?.deepVerifiedAt).toBeInstanceOf(Date)
  }, 60_000)

  it('goes on where it was when it is killed: 32 MiB are read twice at most [F01g]', async () => {
    let proxy!: FaultProxy
    const begin = async (world: World) => {
      proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
      world.configure(1, proxy.endpoint, world.models[0]!)
    }
    const world = await oneArchive({ noiseBytes: 120_000_000, begin })
    const haltedAt = 100_000_000
    const halted = new Promise<void>((reached) => {
      proxy.add({ operation: 'Get', fault: { kind: 'hang-answer', afterBytes: haltedAt, reached } })
    })
    const main = join(import.meta.dirname, '../../dist/src/main.js')
    const child = spawn(
      process.execPath,
      [main, 'verify', '--deep', '--budget=1GB', `--config=${await world.writeEnv()}`],
      { stdio: 'ignore' },
    )
    const ended = new Promise<NodeJS.Signals | null>((resolve) =>
      child.once('exit', (_code, signal) => resolve(signal)),
    )
    await halted
    // What arrived is proven and noted in its own time; the rest never comes.
    const frameBytes = 4 * 1024 * 1024
    const underWay = 3
    const least = Math.floor((haltedAt - 32 * 1024 * 1024) / frameBytes) - underWay
    const atKill = await world.withCatalog(async (catalog) => {
      for (;;) {
        const [proof] = (await catalog.copyProofs()).values()
        if ((proof?.provenFrames ?? 0) >= least) return proof!
        // Model and proxy are in this process, and have their turn.
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    child.kill('SIGKILL')
    expect(await ended).toBe('SIGKILL')
    proxy.assertFired()
    proxy.clear()
    expect(atKill.provenFrames).toBeLessThan(atKill.frameCount!)

    const before = world.models[0]!.log.length
    const report = await verified(world, { ...DEEP, budgetBytes: 40_000_000 })

    const [copy] = report.archives[0]!.copies
    expect(report.problems).toEqual([])
    expect(copy!.provenFrames).toBeGreaterThan(atKill.provenFrames)
    // The first bytes asked for are those behind what was proven.
    const layout = await layoutOf(world)
    const firstFrame = layout.frames.frame(atKill.provenFrames).fileOffsetBytes
    const [asked] = rangesOf(world, before).filter(([from, to]) => to - from > 1_000_000)
    expect(asked?.[0]).toBe(firstFrame)
    await proxy.close()
  }, 60_000)

  it('reads first what was never read back, then what is longest ago', async () => {
    const world = await oneArchive({ noiseBytes: 20_000_000 })
    await verified(world, DEEP)
    await world.noise('second', 20_000_000)
    await world.run()
    const budgetBytes = 30_000_000

    const before = world.models[0]!.log.length
    await verified(world, { ...DEEP, budgetBytes })

    const [second] = await world.withCatalog((catalog) => catalog.archives())
    const keys = world.models[0]!.log.slice(before).filter(({ operation }) => operation === 'Get')
    expect(new Set(keys.map(({ key }) => key))).toEqual(new Set([second!.copies[0]!.key]))
  }, 60_000)
})

describe('VERIFY_NIGHTLY_GB', () => {
  it('reads a share back after each run, and damage ends the run with 31', async () => {
    const world = await oneArchive({ noiseBytes: 5_000_000 })
    world.env['VERIFY_NIGHTLY_GB'] = '1'

    expect(await world.run()).toMatchObject({ exit: 0, warnings: [], notices: [] })
    const proofs = await world.withCatalog((catalog) => catalog.copyProofs())
    expect([...proofs.values()].every(({ deepVerifiedAt }) => deepVerifiedAt !== undefined)).toBe(
      true,
    )

    world.models[0]!.corrupt(objectOf(world).key, 2_000_000)
    const events: RunEvent[] = []
    const report = await world.run({ onEvent: (event) => events.push(event) })
    expect(report.exit).toBe(31)
    expect(report.warnings.join()).toMatch(
      /^docs-\S+ on 1: 127\S+, frame 0: its bytes .*: \., big$/,
    )
    const lines = events.map((event) => eventLine(event))
    expect(lines.filter((line) => line?.level === 3).map((line) => line?.text)).toEqual([
      `damage: ${report.warnings[0]}`,
      expect.stringContaining('(exit 31)'),
    ])

    // Known, and not settled: a warning of every run, whether or not it reads anything back.
    for (const share of ['1', '']) {
      world.env['VERIFY_NIGHTLY_GB'] = share
      const later = await world.run()
      expect([later.exit, later.warnings]).toEqual([
        3,
        ['1 copy has problems that were found earlier and are not settled: see spillway status'],
      ])
    }
    world.models[0]!.corrupt(objectOf(world).key, 2_000_000)
    await verified(world, DEEP)
    expect(await world.run()).toMatchObject({ exit: 0, warnings: [] })
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('tells what is gone from what was written again', async () => {
    const world = await oneArchive({ noiseBytes: 1_000_000 })
    world.env['VERIFY_NIGHTLY_GB'] = '0.001'
    const { key, metadata } = objectOf(world)
    const bytes = world.models[0]!.bytesOf(key)
    await removeObject(world, key)
    const gone = await world.run()
    expect([gone.exit, gone.warnings.join()]).toEqual([30, expect.stringContaining('is gone')])

    world.models[0]!.seed(key, bytes, metadata)
    const rewritten = await world.run()
    expect(rewritten.exit).toBe(3)
    expect(rewritten.warnings.join()).toContain('was written again')
  }, 30_000)

  it('gives a slow server its time and no more, and reads the others', async () => {
    let proxy!: FaultProxy
    const begin = async (world: World): Promise<void> => {
      proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
      world.configure(1, proxy.endpoint, world.models[0]!)
    }
    const world = await oneArchive({ copies: 2, noiseBytes: 1_000_000, begin })
    try {
      proxy.add({ operation: 'Get', fault: { kind: 'drip-answer', bytes: 4_000, everyMs: 50 } })

      const begun = performance.now()
      const share = { ...DEEP, budgetBytes: 1_000_000_000, serverMsMax: 1_000 }
      const report = await verified(world, share)

      expect(performance.now() - begun).toBeLessThan(15_000)
      expect(report).toMatchObject({ exit: 0, isBudgetSpent: true })
      expect(report.outOfTime).toEqual([expect.stringContaining(new URL(proxy.endpoint).host)])
      const [slow, other] = report.archives[0]!.copies
      expect(slow?.deepVerifiedAt).toBeNull()
      expect(other?.deepVerifiedAt).not.toBeNull()
      proxy.assertFired()
    } finally {
      await proxy.close()
    }
  }, 30_000)

  it('is off without a setting: nothing is read', async () => {
    const world = await oneArchive({ noiseBytes: 1_000_000 })
    expect(rangesOf(world, 0)).toEqual([])
  })
})

it('has bounded memory, whatever the size: it needs no more for four times as much', async () => {
  const peaks: number[] = []
  for (const noiseBytes of [60_000_000, 240_000_000]) {
    const world = await oneArchive({ noiseBytes })
    const envFile = await world.writeEnv()
    peaks.push(await peakOf(['verify', '--deep', `--config=${envFile}`]))
    await world.close()
    worlds.splice(worlds.indexOf(world), 1)
  }
  const [small, large] = peaks
  expect(large! - small!).toBeLessThan(48 * 1024 * 1024)
  expect(large).toBeLessThan(300 * 1024 * 1024)
}, 120_000)

it('ends soon after Ctrl-C, and keeps what was proven', async () => {
  const world = await oneArchive({ noiseBytes: 60_000_000 })
  const interrupt = new AbortController()
  const work = verified(world, DEEP, interrupt.signal, () => interrupt.abort())

  await expect(work).rejects.toMatchObject({ code: 'INTERRUPTED' })

  const proofs = await world.withCatalog((catalog) => catalog.copyProofs())
  expect([...proofs.values()][0]?.provenFrames).toBeGreaterThan(0)
})

/** Of a process of its own: the most memory that it ever held. */
async function peakOf(args: readonly string[]): Promise<number> {
  const main = join(import.meta.dirname, '../../dist/src/main.js')
  const script = `
    process.argv.splice(1, 0, ${JSON.stringify(main)})
    process.on('exit', () => console.error(process.resourceUsage().maxRSS))
    await import(${JSON.stringify(main)})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect([code, text.trim().replace(/\d+$/, '')]).toEqual([0, ''])
  return Number(text.trim()) * 1024
}

type Options = {
  readonly copies?: number
  readonly noiseBytes?: number
  readonly begin?: (world: World) => Promise<void>
}

/** Some 25 MB of tar: several frames, members in one, over several, and many in one. */
async function oneArchive(options: Options = {}): Promise<World> {
  const { copies = 1, noiseBytes = 14_000_000 } = options
  const servers: WorldServer[] = Array.from({ length: copies }, () => ({}))
  const world = await World.make(servers)
  worlds.push(world)
  await options.begin?.(world)
  world.env['COPIES'] = String(copies)
  await world.noise('big', noiseBytes)
  await mkdir(join(world.source, 'many'))
  for (let number = 0; number < 300; number += 1)
    await writeFile(join(world.source, 'many', `file-${number}`), `content ${number}\n`.repeat(100))
  // Longer than a header takes: extensions that may lie on both sides of a frame's end.
  await mkdir(join(world.source, 'n'.repeat(180)))
  await writeFile(join(world.source, 'n'.repeat(180), 'm'.repeat(200)), 'long')
  await world.noise('zuletzt', 5_000_000)
  const report = await world.run()
  expect(report.exit).toBe(0)
  return world
}

async function verified(
  world: World,
  input: Partial<VerifyInput> = {},
  signal = new AbortController().signal,
  onProgress: () => void = () => {},
  beforeReading?: (catalog: Catalog) => Promise<void>,
): Promise<VerifyReport> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const servers = new VerifyServers(services.openStorage)
  const catalog = await services.catalog()
  let asked = 0
  try {
    return await verify(
      {
        config: services.config,
        catalog,
        storageOf: async (...input) => {
          asked += 1
          // Of one server: first for the HEADs, then to read.
          if (asked === 2) await beforeReading?.(catalog)
          return servers.storageOf(...input)
        },
        headDelayMs: 10,
        onProgress,
      },
      { archives: [], source: undefined, isDeep: false, budgetBytes: undefined, ...input },
      signal,
    )
  } finally {
    servers.close()
    await services.close()
  }
}

function objectOf(world: World, model = 0) {
  // Besides the archives there may be copies of the catalog.
  return world.models[model]!.objects().find(({ key }) => key.startsWith('host/'))!
}

async function removeObject(world: World, key: string): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const storage = (await services.openStorage())(services.config.servers[0]!, true)
  await storage.remove(key, undefined, new AbortController().signal)
  storage.close()
  await services.close()
}

async function layoutOf(world: World): Promise<ArchiveLayout> {
  const bytes = world.models[0]!.bytesOf(objectOf(world).key)
  const [archive] = await world.withCatalog((catalog) => catalog.archives())
  const readRange = async (at: number, size: number) => bytes.subarray(at, at + size)
  const nothing = async function* () {}
  return readLayout(
    { fileBytes: bytes.length, readRange, read: nothing, leftBytes: () => Infinity },
    {
      archiveId: archive!.id,
      sha256: archive!.sha256,
      memberCount: archive!.memberCount,
      sourceBytes: archive!.sourceBytes,
    },
  )
}

function frameAt(layout: ArchiveLayout, position: number) {
  for (let number = 0; ; number += 1) {
    const place = layout.frames.frame(number)
    if (position < place.fileOffsetBytes + place.storedBytes) return place
  }
}

/** From the index alone. */
async function membersIn(
  layout: ArchiveLayout,
  { tarOffsetBytes, rawBytes }: { readonly tarOffsetBytes: number; readonly rawBytes: number },
): Promise<string[]> {
  const names: string[] = []
  for await (const { path, offsetBytes, spanBytes } of layout.tail.membersFrom('')) {
    const isThere =
      offsetBytes < tarOffsetBytes + rawBytes && offsetBytes + spanBytes > tarOffsetBytes
    if (isThere) names.push(path === '' ? '.' : path)
  }
  return names
}

function rangesOf(world: World, since: number): [number, number][] {
  return world.models[0]!.log.slice(since)
    .filter(({ operation }) => operation === 'Get')
    .map(({ headers }) => {
      const [, from = '', to = ''] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
      return [Number(from), Number(to)]
    })
}

function servedBytes(world: World, since: number): number {
  return rangesOf(world, since).reduce((sum, [from, to]) => sum + to - from + 1, 0)
}
