import type { Mask } from '../decision.ts'

/** Lists kept at most. A policy has few; one that makes them of claims or parameters may have any number. */
const maxLists = 1_000

/** Gives equal lists of masks the same array, so that what follows from one (in views, in SQL) is worked out once. */
export class MaskLists {
  readonly #lists = new Map<string, readonly Mask[]>()

  share(masks: readonly Mask[]): readonly Mask[] {
    const key = JSON.stringify(masks)
    const known = this.#lists.get(key)
    if (known) return known
    if (this.#lists.size >= maxLists) this.#lists.clear()
    this.#lists.set(key, masks)
    return masks
  }
}
