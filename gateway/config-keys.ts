/**
 * The keys that recordings are signed and values are hashed with. With SQLite they may be left out of the
 * configuration: they are then made once and kept beside the database.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Config } from './config.ts'
import type { Files } from './files.ts'
import { generatePrivateKey } from './recordings/signer.ts'

export interface Keys {
  /** Ed25519 private key, PEM (PKCS #8). */
  readonly signing: string
  readonly masking: string
}

const maximumKeyBytes = 16 * 1024

/** @throws Error in words when a key cannot be read or made */
export async function keys({ store, recording, masking }: Config, files: Files): Promise<Keys> {
  return {
    signing: recording.signingKey?.reveal() ?? (await kept('recording-key.pem', generatePrivateKey)),
    masking:
      masking.key?.reveal() ?? (await kept('masking.key', () => randomBytes(32).toString('base64url'))),
  }

  async function kept(name: string, make: () => string): Promise<string> {
    if (store.kind !== 'sqlite') throw new Error('Cannot make keys: only SQLite has a folder to keep them in')
    const path = files.resolve(store.path, name)
    // Who creates the file wins; everybody then uses what is in it.
    await files.create(path, make())
    return new TextDecoder().decode(await files.read(path, maximumKeyBytes))
  }
}
