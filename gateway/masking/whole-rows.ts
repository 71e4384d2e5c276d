/**
 * Puts together the DataRow frames of a result that arrive in pieces.
 * Source: PostgreSQL manual, 54.7 "DataRow".
 *
 * @module
 */
import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'

/** The longest row that is put together from several reads. */
export const maxRowBytes = 16 * 1024 * 1024

/** Type byte and length of a frame. */
export const headerBytes = 5
/** The number of a row's cells, behind the header. */
export const countBytes = 2
/** The length before each cell. */
export const lengthBytes = 4
/** In place of a length: the cell is NULL. */
export const nullLength = 0xffffffff

const dataRow = 0x44 // 'D'

/** What is done to the rows, for those who are told that it cannot be: `mask`, and what to do instead. */
export interface RowWork {
  readonly verb: string
  readonly hint: string
}

export class WholeRows {
  readonly #columns: number
  readonly #work: RowWork
  /** The beginning of a row whose end has not arrived. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  /** How many bytes have to wait until the row is whole. */
  #neededBytes = 0

  constructor(columns: number, work: RowWork) {
    this.#columns = columns
    this.#work = work
  }

  /** Everything that waited and these bytes, or `undefined` while that is not a whole row. */
  join(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#waitingBytes === 0) return bytes
    if (this.#waitingBytes + bytes.length < this.#neededBytes) {
      this.#wait(bytes)
      return undefined
    }
    const joined = concat([...this.#waiting, bytes])
    this.#waiting = []
    this.#waitingBytes = 0
    this.#neededBytes = 0
    return joined
  }

  /**
   * Bytes of the row that begins at `at`; 0 when that is not whole.
   *
   * @throws Denied `unmaskable` when it has other columns than were described
   */
  sizeAt(at: number, input: Uint8Array, view: DataView): number {
    if (at + headerBytes > input.length) return 0
    const size = 1 + view.getUint32(at + 1)
    if (at + size > input.length) {
      this.#neededBytes = size
      return 0
    }
    if (input[at] !== dataRow || view.getUint16(at + headerBytes) !== this.#columns)
      throw this.notAsDescribed()
    return size
  }

  /**
   * Keeps what is left from `at` on for {@link join}.
   *
   * @throws Denied `too_large` when the row is longer than can be put together
   */
  keep(at: number, input: Uint8Array): void {
    if (at < input.length) this.#wait(input.subarray(at))
  }

  /** @throws Error when the target stopped in the middle of a row */
  finish(): void {
    if (this.#waitingBytes > 0)
      throw new Error(`Cannot ${this.#work.verb} result: it ends in the middle of a row`)
  }

  notAsDescribed(): Denied {
    return new Denied('unmaskable', `Cannot ${this.#work.verb} result: its rows are not as described`)
  }

  #wait(bytes: Uint8Array): void {
    const { verb, hint } = this.#work
    if (Math.max(this.#neededBytes, this.#waitingBytes + bytes.length) > maxRowBytes) {
      throw new Denied('too_large', `Cannot ${verb} result: a row is longer than ${maxRowBytes} bytes`, {
        hint,
      })
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
  }
}
