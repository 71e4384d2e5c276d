/** Files by `node:fs`, which Deno has too. @module */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Files } from '../files.ts'

export const nodeFiles: Files = {
  async read(path, limit) {
    try {
      await using file = await open(path)
      const { size } = await file.stat()
      if (size > limit) throw new Error(`"${path}" is larger than ${limit} bytes`)
      return new Uint8Array(await file.readFile())
    } catch (error) {
      throw inWords(path, error)
    }
  },

  async createFolderOf(path) {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    } catch (error) {
      throw inWords(dirname(path), error)
    }
  },

  async create(path, content) {
    await nodeFiles.createFolderOf(path)
    // Written aside and then linked, so that nobody reads half of it.
    const draft = `${path}.${randomUUID()}`
    try {
      await writeFile(draft, content, { flag: 'wx', mode: 0o600 })
      await link(draft, path)
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw inWords(path, error)
    } finally {
      await rm(draft, { force: true })
    }
  },

  resolve: (base, path) => resolve(dirname(base), path),
}

function inWords(path: string, error: unknown): unknown {
  switch (codeOf(error)) {
    case 'ENOENT':
      return new Error(`"${path}" does not exist`)
    case 'EACCES':
      return new Error(`"${path}" may not be read or written by this account`)
    case 'EISDIR':
      return new Error(`"${path}" is a folder`)
    default:
      return error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
