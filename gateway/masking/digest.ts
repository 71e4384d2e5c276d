import { createHmac, hkdfSync } from 'node:crypto'
import type { Digest } from '../operation.ts'

const keyBytes = 32

/**
 * The digests of one masking key: with the same key equal values stay equal, so that joins still work.
 *
 * @example
 * ```ts
 * digest(key)('hash', 'ada@example.com') // 32 bytes
 * ```
 */
export function digest(key: string): Digest {
  const noiseKey = new Uint8Array(hkdfSync('sha256', key, '', 'noise', keyBytes))
  const keys = { hash: key, noise: noiseKey }
  return (purpose, value) => createHmac('sha256', keys[purpose]).update(value).digest()
}
