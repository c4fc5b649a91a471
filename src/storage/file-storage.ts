// A local directory (a second disk, a NAS that is mounted) as a Storage. Uploads are written into a
// temporary file by position and get their name at the end, without ever replacing a file; see
// file-layout.ts for what lies where.

import { lstat, open, readdir, readFile, rm, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import type { FileServer } from '../domain/server.ts'
import { syncFolder } from '../lib/sync-folder.ts'
import * as failures from './file-errors.ts'
import * as layout from './file-layout.ts'
import type { TokenRecord } from './file-layout.ts'
import { listFiles, readRange } from './file-read.ts'
import { FileSteps, withFile } from './file-steps.ts'
import type { Step } from './file-steps.ts'
import * as files from './file-system.ts'
import type { NetworkLimits } from './limits.ts'
import { interrupted } from './retry.ts'
import type {
  AbortOutcome,
  HeadResult,
  ListedUpload,
  OpenUpload,
  PartInput,
  PartReceipt,
  Storage,
  StorageLimits,
  StoredObject,
  UploadTarget,
} from './storage.ts'

const MiB = 1024 * 1024

export type FileStorageOptions = {
  readonly limits: NetworkLimits
  /** The catalog has used this server before: its marker must be there. */
  readonly isKnown: boolean
}

export class FileStorage implements Storage {
  // A file has no parts and no least part; the numbers keep parts like those of S3. More than two
  // at once only make a disk seek.
  readonly limits: StorageLimits = {
    partsMax: 9_500,
    partBytesMin: 1,
    partBytesDefault: 16 * MiB,
    partsAtOnce: 2,
  }
  readonly #root: string
  readonly #number: number
  readonly #options: FileStorageOptions
  readonly #steps: FileSteps

  constructor(server: FileServer, options: FileStorageOptions) {
    this.#number = server.number
    this.#root = server.directory.replace(/(?<=.)\/+$/, '')
    this.#options = options
    this.#steps = new FileSteps(this.#root, options.limits.silenceMs)
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.#do('preparing it', signal, async (step) => {
      const found = await step(() => stat(this.#root).catch(absent))
      if (found?.isDirectory() !== true) throw failures.noDirectory(this.#root, this.#number)
      const marker = join(this.#root, layout.MARKER)
      if ((await step(() => stat(marker).catch(absent))) !== undefined) return
      if (this.#options.isKnown) throw failures.notMounted(this.#root)
      const text = 'Spillway keeps archives here. Do not remove this file.\n'
      await step(() => files.writeSmallFile(marker, text))
    })
  }

  async begin(target: UploadTarget, signal: AbortSignal): Promise<OpenUpload> {
    const { key, token } = target
    return this.#do(`beginning ${key}`, signal, async (step) => {
      await this.#checkMounted(step)
      await this.#checkFree(step, key)
      await step(() => files.ensureFolder(this.#root, layout.uploadsFolder(this.#root)))
      const uploadId = layout.newUploadId(key, token)
      const temporary = layout.uploadPath(this.#root, uploadId)
      await withFile(
        step,
        () => open(temporary, 'wx', files.FILE_MODE),
        async () => {},
      )
      await step(() => syncFolder(dirname(temporary)))
      return { ...target, uploadId }
    })
  }

  async #checkFree(step: Step, key: string): Promise<void> {
    const path = layout.objectPath(this.#root, key)
    if ((await step(() => stat(path).catch(absent))) !== undefined)
      throw failures.exists(this.#root, key)
  }

  async putPart(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt> {
    const { number, body } = part
    const md5 = Buffer.from(body.md5)
    await this.#do(`part ${number} of ${upload.key}`, signal, (step) =>
      this.#withUpload(step, upload, async (file) => {
        let position = part.offsetBytes
        for await (const chunk of body.open()) {
          const at = position
          await step(() => files.writeAll(file, chunk, at))
          position += chunk.length
          part.onSent?.(chunk.length)
        }
        // Flushed part by part: progress stays honest, and the last flush does not take minutes.
        await step(() => file.datasync())
      }),
    )
    return { number, sizeBytes: body.sizeBytes, etag: md5.toString('hex'), md5: body.md5 }
  }

  async complete(
    upload: OpenUpload,
    parts: readonly PartReceipt[],
    signal: AbortSignal,
  ): Promise<undefined> {
    const { key, token, uploadId } = upload
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    await this.#do(`completing ${key}`, signal, async (step) => {
      await this.#checkMounted(step)
      const temporary = layout.uploadPath(this.#root, uploadId)
      await this.#withUpload(step, upload, async (file) => {
        const found = await step(() => file.stat())
        if (found.size !== sizeBytes)
          throw failures.wrongSize(this.#root, key, found.size, sizeBytes)
        await step(() => file.sync())
      })
      await this.#checkFree(step, key)
      await this.#writeToken(step, { key, token, sizeBytes })
      await this.#publish(step, temporary, layout.objectPath(this.#root, key))
      await step(() => rm(temporary, { force: true }))
    })
  }

  /** There is no ETag: what was written was flushed, and `head` has looked at the size. */
  async isIntact(): Promise<boolean> {
    return true
  }

  async #writeToken(step: Step, record: TokenRecord): Promise<void> {
    const path = layout.tokenPath(this.#root, record.key)
    await step(() => files.ensureFolder(this.#root, dirname(path)))
    await step(() => files.writeSmallFile(path, `${JSON.stringify(record)}\n`))
  }

  async #publish(step: Step, temporary: string, path: string): Promise<void> {
    // Twice: another run may remove the folder, empty as it is, between the two steps.
    for (let tries = 1; ; tries += 1) {
      await step(() => files.ensureFolder(this.#root, dirname(path)))
      try {
        await step(() => files.publish(temporary, path))
        break
      } catch (error) {
        if (failures.errnoOf(error) !== 'ENOENT' || tries === 2) throw error
      }
    }
    await step(() => syncFolder(dirname(path)))
  }

  async abort(upload: OpenUpload, signal: AbortSignal): Promise<AbortOutcome> {
    return this.#do(`aborting the upload of ${upload.key}`, signal, async (step) => {
      const temporary = layout.uploadPath(this.#root, upload.uploadId)
      await this.#checkMounted(step)
      const found = await step(() => lstat(temporary).catch(absent))
      if (found === undefined) return 'gone'
      await step(() => rm(temporary, { force: true }))
      // Its second name is the object's: the run that completed it was killed before the end.
      return found.nlink > 1 ? 'gone' : 'aborted'
    })
  }

  async head(key: string, signal: AbortSignal): Promise<HeadResult | undefined> {
    return this.#do(`looking at ${key}`, signal, async (step) => {
      await this.#checkMounted(step)
      const path = layout.objectPath(this.#root, key)
      const found = await step(() => stat(path).catch(absent))
      if (found?.isFile() !== true) return undefined
      await step(() => files.checkInside(this.#root, path))
      const record = await this.#readToken(step, key)
      const token = record?.sizeBytes === found.size ? record.token : undefined
      return { key, sizeBytes: found.size, ...PLAIN, modifiedAt: found.mtime, token }
    })
  }

  async #readToken(step: Step, key: string): Promise<TokenRecord | undefined> {
    const path = layout.tokenPath(this.#root, key)
    const text = await step(() => readFile(path, 'utf8').catch(absent))
    if (text === undefined) return undefined
    try {
      const record = JSON.parse(text) as TokenRecord
      return record.key === key ? record : undefined
    } catch {
      // Damaged: then there is no proof, which is what undefined says.
      return undefined
    }
  }

  async *read(
    key: string,
    range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      const step = this.#steps.until(signal)
      const path = layout.objectPath(this.#root, key)
      if ((await step(() => stat(path).catch(absent))) === undefined)
        throw failures.missing(this.#root, key)
      await step(() => files.checkInside(this.#root, path))
      yield* readRange({ path, place: this.#root, key, range, step })
    } catch (error) {
      throw failures.failureOfFile(error, this.#root, `reading ${key}`)
    }
  }

  async remove(key: string, _versionId: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#do(`deleting ${key}`, signal, async (step) => {
      await this.#checkMounted(step)
      const path = layout.objectPath(this.#root, key)
      const found = await step(() => stat(path).catch(absent))
      if (found !== undefined) {
        await step(() => files.checkInside(this.#root, path))
        await this.#removeSecondLinks(step, key, found.ino)
        await step(() => unlink(path))
        await step(() => syncFolder(dirname(path)))
      }
      await step(() => rm(layout.tokenPath(this.#root, key), { force: true }))
      await step(() => files.removeEmptyFolders(this.#root, dirname(path)))
    })
  }

  /** A run that was killed just after it gave the object its name has left the upload's name, too. */
  async #removeSecondLinks(step: Step, key: string, inode: number): Promise<void> {
    for (const uploadId of await this.#uploadsOf(step, key)) {
      const path = layout.uploadPath(this.#root, uploadId)
      const upload = await step(() => lstat(path).catch(absent))
      if (upload?.ino === inode) await step(() => rm(path, { force: true }))
    }
  }

  async #uploadsOf(step: Step, key: string): Promise<readonly string[]> {
    const names = await step(() => readdir(layout.uploadsFolder(this.#root)).catch(absent))
    // The name of an upload has only a hash of its key: what lies below a folder cannot be told.
    if (key.endsWith('/')) return names ?? []
    return (names ?? []).filter((uploadId) => layout.isUploadOf(uploadId, key))
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    try {
      const step = this.#steps.until(signal)
      await this.#checkMounted(step)
      for await (const { key, sizeBytes, modifiedAt } of listFiles(step, this.#root, prefix))
        yield { key, sizeBytes, etag: undefined, modifiedAt }
    } catch (error) {
      throw failures.failureOfFile(error, this.#root, `listing ${prefix}`)
    }
  }

  async *listUploads(key: string, signal: AbortSignal): AsyncGenerator<ListedUpload> {
    const found = await this.#do(`listing the uploads of ${key}`, signal, async (step) => {
      await this.#checkMounted(step)
      return this.#uploadsOf(step, key)
    })
    for (const uploadId of found) yield { key, uploadId }
  }

  async putSmall(
    key: string,
    body: AsyncIterable<Uint8Array>,
    token: string,
    signal: AbortSignal,
  ): Promise<void> {
    const upload = await this.begin({ key, token }, signal)
    try {
      let sizeBytes = 0
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          sizeBytes += chunk.length
          yield chunk
        }
      }
      const none = new Uint8Array()
      const whole = { sizeBytes: 0, open: counted, md5: none, sha256: none }
      const part = await this.putPart(upload, { number: 1, offsetBytes: 0, body: whole }, signal)
      await this.complete(upload, [{ ...part, sizeBytes }], signal)
    } catch (error) {
      // What went wrong is more telling than that the leftover stays; its name says what it is.
      await this.abort(upload, AbortSignal.timeout(this.#options.limits.connectMs)).catch(() => {})
      throw error
    }
  }

  close(): void {}

  async #withUpload(
    step: Step,
    { key, uploadId }: OpenUpload,
    work: (file: FileHandle) => Promise<void>,
  ): Promise<void> {
    const path = layout.uploadPath(this.#root, uploadId)
    const openIt = async (): Promise<FileHandle> => {
      try {
        return await open(path, 'r+')
      } catch (error) {
        if (failures.errnoOf(error) !== 'ENOENT') throw error
        await this.#checkMounted((look) => look())
        throw new SpillwayError('UPLOAD_GONE', `${this.#root}: the upload of ${key} is gone`)
      }
    }
    await withFile(step, openIt, work)
  }

  /** Before anything is believed or written: without its marker this is the folder under the mount. */
  async #checkMounted(step: Step): Promise<void> {
    const marker = join(this.#root, layout.MARKER)
    if ((await step(() => stat(marker).catch(absent))) === undefined)
      throw failures.notMounted(this.#root)
  }

  async #do<T>(action: string, signal: AbortSignal, work: (step: Step) => Promise<T>): Promise<T> {
    if (signal.aborted) throw interrupted()
    try {
      return await work(this.#steps.until(signal))
    } catch (error) {
      if (signal.aborted && !isFailure(error, 'INTERRUPTED')) throw interrupted()
      throw failures.failureOfFile(error, this.#root, action)
    }
  }
}

const PLAIN = { etag: undefined, versionId: undefined }

/** For `catch`: undefined for what is not there. */
export function absent(error: unknown): undefined {
  if (failures.errnoOf(error) === 'ENOENT' || failures.errnoOf(error) === 'ENOTDIR')
    return undefined
  throw error
}
