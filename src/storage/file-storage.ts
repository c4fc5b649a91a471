// A local directory (a second disk, a NAS that is mounted) as a Storage. Uploads are written into a
// temporary file by position and get their name at the end, without ever replacing a file; see
// file-layout.ts for what lies where.

import { open, readdir, readFile, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import type { FileServer } from '../domain/server.ts'
import * as failures from './file-errors.ts'
import * as layout from './file-layout.ts'
import type { TokenRecord } from './file-layout.ts'
import { listFiles, readRange } from './file-read.ts'
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
  readonly #options: FileStorageOptions

  constructor(server: FileServer, options: FileStorageOptions) {
    this.#root = server.directory.replace(/(?<=.)\/+$/, '')
    this.#options = options
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.#do('preparing it', signal, async () => {
      const found = await stat(this.#root).catch(absent)
      if (found?.isDirectory() !== true) throw failures.noDirectory(this.#root)
      const marker = join(this.#root, layout.MARKER)
      if ((await stat(marker).catch(absent)) !== undefined) return
      if (this.#options.isKnown) throw failures.notMounted(this.#root)
      await files.writeSmallFile(marker, 'Spillway keeps archives here. Do not remove this file.\n')
    })
  }

  async begin(target: UploadTarget, signal: AbortSignal): Promise<OpenUpload> {
    const { key, token } = target
    return this.#do(`beginning ${key}`, signal, async () => {
      await this.#checkMounted()
      const path = layout.objectPath(this.#root, key)
      if ((await stat(path).catch(absent)) !== undefined) throw failures.exists(this.#root, key)
      await files.ensureFolder(this.#root, layout.uploadsFolder(this.#root))
      const uploadId = layout.newUploadId(key, token)
      const temporary = layout.uploadPath(this.#root, uploadId)
      const file = await open(temporary, 'wx', files.FILE_MODE)
      await file.close()
      await files.syncFolder(dirname(temporary))
      return { ...target, uploadId }
    })
  }

  async putPart(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt> {
    const { number, body } = part
    const md5 = Buffer.from(body.md5)
    await this.#do(`part ${number} of ${upload.key}`, signal, async () => {
      const file = await this.#openUpload(upload)
      try {
        let position = part.offsetBytes
        for await (const chunk of body.open()) {
          if (signal.aborted) throw interrupted()
          await this.#timed(writeAll(file, chunk, position))
          position += chunk.length
          part.onSent?.(chunk.length)
        }
        // Flushed part by part: progress stays honest, and the last flush does not take minutes.
        await this.#timed(file.datasync())
      } finally {
        await file.close()
      }
    })
    return { number, sizeBytes: body.sizeBytes, etag: md5.toString('hex'), md5: body.md5 }
  }

  async complete(
    upload: OpenUpload,
    parts: readonly PartReceipt[],
    signal: AbortSignal,
  ): Promise<void> {
    const { key, token, uploadId } = upload
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    await this.#do(`completing ${key}`, signal, async () => {
      await this.#checkMounted()
      const temporary = layout.uploadPath(this.#root, uploadId)
      const file = await this.#openUpload(upload)
      try {
        const found = await file.stat()
        if (found.size !== sizeBytes)
          throw failures.wrongSize(this.#root, key, found.size, sizeBytes)
        await this.#timed(file.sync())
      } finally {
        await file.close()
      }
      const path = layout.objectPath(this.#root, key)
      if ((await stat(path).catch(absent)) !== undefined) throw failures.exists(this.#root, key)
      await this.#writeToken({ key, token, sizeBytes })
      await this.#publish(temporary, path)
      await rm(temporary, { force: true })
    })
  }

  async #writeToken(record: TokenRecord): Promise<void> {
    const path = layout.tokenPath(this.#root, record.key)
    await files.ensureFolder(this.#root, dirname(path))
    await files.writeSmallFile(path, `${JSON.stringify(record)}\n`)
  }

  async #publish(temporary: string, path: string): Promise<void> {
    // Twice: another run may remove the folder, empty as it is, between the two steps.
    for (let tries = 1; ; tries += 1) {
      await files.ensureFolder(this.#root, dirname(path))
      try {
        await files.publish(temporary, path)
        break
      } catch (error) {
        if (failures.errnoOf(error) !== 'ENOENT' || tries === 2) throw error
      }
    }
    await files.syncFolder(dirname(path))
  }

  async abort(upload: OpenUpload, signal: AbortSignal): Promise<AbortOutcome> {
    return this.#do(`aborting the upload of ${upload.key}`, signal, async () => {
      const temporary = layout.uploadPath(this.#root, upload.uploadId)
      await this.#checkMounted()
      return unlink(temporary).then(
        () => 'aborted',
        (error: unknown) => absent(error) ?? 'gone',
      )
    })
  }

  async head(key: string, signal: AbortSignal): Promise<HeadResult | undefined> {
    return this.#do(`looking at ${key}`, signal, async () => {
      await this.#checkMounted()
      const path = layout.objectPath(this.#root, key)
      const found = await stat(path).catch(absent)
      if (found?.isFile() !== true) return undefined
      await files.checkInside(this.#root, path)
      const record = await this.#readToken(key)
      const token = record?.sizeBytes === found.size ? record.token : undefined
      return { key, sizeBytes: found.size, ...PLAIN, modifiedAt: found.mtime, token }
    })
  }

  async #readToken(key: string): Promise<TokenRecord | undefined> {
    const text = await readFile(layout.tokenPath(this.#root, key), 'utf8').catch(absent)
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
      if (signal.aborted) throw interrupted()
      const path = layout.objectPath(this.#root, key)
      if ((await this.#timed(stat(path).catch(absent))) === undefined)
        throw failures.missing(this.#root, key)
      await files.checkInside(this.#root, path)
      const timed = <T>(step: Promise<T>): Promise<T> => this.#timed(step)
      yield* readRange({ path, place: this.#root, key, range, signal, timed })
    } catch (error) {
      throw failures.failureOfFile(error, this.#root, `reading ${key}`)
    }
  }

  async remove(key: string, _versionId: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#do(`deleting ${key}`, signal, async () => {
      await this.#checkMounted()
      const path = layout.objectPath(this.#root, key)
      if ((await stat(path).catch(absent)) !== undefined) {
        await files.checkInside(this.#root, path)
        await unlink(path)
        await files.syncFolder(dirname(path))
      }
      await rm(layout.tokenPath(this.#root, key), { force: true })
      await files.removeEmptyFolders(this.#root, dirname(path))
    })
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    try {
      if (signal.aborted) throw interrupted()
      await this.#timed(this.#checkMounted())
      for await (const { key, sizeBytes, modifiedAt } of listFiles(this.#root, prefix)) {
        if (signal.aborted) throw interrupted()
        yield { key, sizeBytes, etag: undefined, modifiedAt }
      }
    } catch (error) {
      throw failures.failureOfFile(error, this.#root, `listing ${prefix}`)
    }
  }

  async *listUploads(key: string, signal: AbortSignal): AsyncGenerator<ListedUpload> {
    const folder = layout.uploadsFolder(this.#root)
    const names = await this.#do(`listing the uploads of ${key}`, signal, async () => {
      await this.#checkMounted()
      return (await readdir(folder).catch(absent)) ?? []
    })
    for (const uploadId of names) if (layout.isUploadOf(uploadId, key)) yield { key, uploadId }
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

  async #openUpload({ key, uploadId }: OpenUpload) {
    try {
      return await open(layout.uploadPath(this.#root, uploadId), 'r+')
    } catch (error) {
      if (failures.errnoOf(error) !== 'ENOENT') throw error
      await this.#checkMounted()
      throw new SpillwayError('UPLOAD_GONE', `${this.#root}: the upload of ${key} is gone`)
    }
  }

  /** Before anything is believed or written: without its marker this is the folder under the mount. */
  async #checkMounted(): Promise<void> {
    if ((await stat(join(this.#root, layout.MARKER)).catch(absent)) === undefined)
      throw failures.notMounted(this.#root)
  }

  async #do<T>(action: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (signal.aborted) throw interrupted()
    try {
      return await work()
    } catch (error) {
      if (signal.aborted && !isFailure(error, 'INTERRUPTED')) throw interrupted()
      throw failures.failureOfFile(error, this.#root, action)
    }
  }

  /** A network mount whose server is gone blocks for ever: that is silence, too. */
  async #timed<T>(step: Promise<T>): Promise<T> {
    const { silenceMs } = this.#options.limits
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_resolve, reject) => {
      const what = `${this.#root}: the disk did not answer for ${silenceMs} ms`
      const failure = () =>
        new SpillwayError('SERVER_SILENT', what, { facts: { code: 'TimeoutError' } })
      timer = setTimeout(() => reject(failure()), silenceMs)
    })
    try {
      return await Promise.race([step, silence])
    } finally {
      clearTimeout(timer)
    }
  }
}

const PLAIN = { etag: undefined, versionId: undefined }

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  chunk: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const left = chunk.length - done
    done += (await file.write(chunk, done, left, position + done)).bytesWritten
  }
}

/** For `catch`: undefined for what is not there. */
export function absent(error: unknown): undefined {
  if (failures.errnoOf(error) === 'ENOENT' || failures.errnoOf(error) === 'ENOTDIR')
    return undefined
  throw error
}
