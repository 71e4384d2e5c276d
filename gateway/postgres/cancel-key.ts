/** The keys that agents cancel with, and what is remembered of them (PostgreSQL manual, 54.2.9). @module */
import { createHash, randomBytes } from 'node:crypto'

export interface CancelKey {
  readonly processId: number
  readonly secret: Uint8Array
}

/** As in PostgreSQL: four bytes before protocol 3.2, and MAX_CANCEL_KEY_LENGTH since. */
const secretBytes = { short: 4, long: 32 } as const

/**
 * A key of our own: the target's would let an agent cancel around the gateway. Its process id names no
 * process, so it is random too; that nearly doubles what has to be guessed of a short key.
 */
export function newCancelKey(minor: number): CancelKey {
  return {
    // Drivers read it as a signed number, and some take 0 for "none".
    processId: (randomBytes(4).readUInt32BE() & 0x7fffffff) | 1,
    secret: randomBytes(minor >= 2 ? secretBytes.long : secretBytes.short),
  }
}

/** What stands for a key wherever it is kept or sent: who reads it cannot cancel. */
export function cancelDigest(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex')
}
