import { Denied } from '../errors.ts'

/** Rows of results, by what they are the result of: the pieces of one portal count together. */
export class CountedRows {
  readonly #counts = new WeakMap<object, number>()

  /** @throws Denied `too_large`: a cut result must not be taken for a whole one */
  count(source: object, rows: number, limit: number | undefined): void {
    if (limit === undefined) return
    const count = (this.#counts.get(source) ?? 0) + rows
    this.#counts.set(source, count)
    if (count <= limit) return
    throw new Denied('too_large', `Cannot return result: it has more than ${limit} rows`, {
      hint: 'Ask for fewer rows: add a WHERE or a LIMIT.',
    })
  }
}
