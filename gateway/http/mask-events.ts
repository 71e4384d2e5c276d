/** Masks the JSON that server-sent events carry (WHATWG HTML, 9.2), and searches what they say. @module */
import { Denied } from '../errors.ts'
import type { ConcealJson } from '../masking/conceal-json.ts'
import type { Searching } from '../masking/findings.ts'
import { JsonMasker } from '../masking/json-masker.ts'
import type { Step } from '../masking/path-pattern.ts'
import { searchedText } from '../masking/searched-message.ts'

/** Events of more characters break off the stream: one has to be complete before it can pass. */
export const eventLimit = 1024 * 1024

/** Model APIs end their streams with this word; it is the one datum that is not JSON and holds nothing. */
const endWord = '[DONE]'

export class EventStreamMasker {
  readonly #paths: readonly Step[]
  readonly #conceal: ConcealJson
  readonly #searching: Searching | undefined
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #rest = ''
  #fields = ''
  #data: string[] = []
  #size = 0

  constructor(paths: readonly Step[], conceal: ConcealJson, searching?: Searching) {
    this.#paths = paths
    this.#conceal = conceal
    this.#searching = searching
  }

  /** @throws Denied `unmaskable` */
  push(chunk: Uint8Array): Uint8Array {
    const lines = (this.#rest + this.#decode(chunk)).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    if (this.#size + this.#rest.length > eventLimit) throw tooLong()
    return new TextEncoder().encode(lines.map((line) => this.#line(line)).join(''))
  }

  /** An event without its blank line is not one (9.2.6), so whatever is left over is dropped. */
  end(): void {}

  #line(line: string): string {
    if (line === '') return this.#dispatch()
    // A comment keeps the connection alive; what it says is nobody's business.
    if (line.startsWith(':')) return ':\n'
    this.#size += line.length
    if (this.#size > eventLimit) throw tooLong()
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
    if (name === 'data') this.#data.push(value ?? '')
    else if (name === 'event' || name === 'id' || name === 'retry')
      this.#fields += `${name}: ${this.#searched(value ?? '')}\n`
    return ''
  }

  #dispatch(): string {
    const data = this.#data.length > 0 ? this.#mask(this.#data.join('\n')) : []
    const event = `${this.#fields}${data.map((line) => `data: ${line}\n`).join('')}\n`
    this.#fields = ''
    this.#data = []
    this.#size = 0
    return event
  }

  #mask(data: string): string[] {
    if (data === endWord) return [data]
    try {
      const masker = new JsonMasker(this.#paths, this.#conceal, this.#searching)
      const masked = masker.push(new TextEncoder().encode(data))
      masker.end()
      return new TextDecoder().decode(masked).split('\n')
    } catch (error) {
      // Masks need JSON, a search does not.
      if (!this.#searching || this.#paths.length > 0) throw error
      return this.#searched(data).split('\n')
    }
  }

  #searched(text: string): string {
    return this.#searching ? searchedText(text, this.#searching) : text
  }

  #decode(chunk: Uint8Array): string {
    try {
      return this.#decoder.decode(chunk, { stream: true })
    } catch {
      throw new Denied('unmaskable', 'Cannot mask response: it is not UTF-8')
    }
  }
}

function tooLong(): Denied {
  return new Denied(
    'unmaskable',
    `Cannot mask response: it has an event of more than ${eventLimit} characters`,
  )
}
