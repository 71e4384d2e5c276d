/** Keeps what was last asked for, up to a number of entries, and of characters of their keys. */
export class Remembered<Value> {
  readonly #entries = new Map<string, Value>()
  readonly #limits: { readonly entries: number; readonly characters: number }
  #characters = 0

  constructor(limits: { readonly entries: number; readonly characters: number }) {
    this.#limits = limits
  }

  get(key: string): Value | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      // The least recently used come first.
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: string, value: Value): void {
    if (!this.#entries.has(key)) this.#characters += key.length
    this.#entries.set(key, value)
    for (const oldest of this.#entries.keys()) {
      const { entries, characters } = this.#limits
      if (this.#entries.size <= entries && this.#characters <= characters) return
      this.#entries.delete(oldest)
      this.#characters -= oldest.length
    }
  }
}
