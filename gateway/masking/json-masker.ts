/**
 * Rewrites masked values of JSON texts (RFC 8259) as their bytes stream by.
 *
 * A byte machine rather than a parser: what is not masked passes as it came, and only one name, number or
 * masked string is held at a time. It takes exactly JSON, so that no reader can find a value where this found
 * none; several texts may follow each other on lines of their own (NDJSON, a Kubernetes watch).
 *
 * @module
 */

import { concat } from '../concat.ts'
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { ConcealJson, JsonValue } from './conceal-json.ts'
import type { Searching } from './findings.ts'
import { follow, type Step } from './path-pattern.ts'

/** A masked string of more bytes becomes null. */
export const stringLimit = 1024 * 1024
/** Longer names, longer numbers and deeper nesting break off the response. */
export const nameLimit = 64 * 1024
export const numberLimit = 1024
export const depthLimit = 512

interface Frame {
  readonly isArray: boolean
  /** Where the masks' paths stand in here. */
  readonly steps: readonly Step[]
  /** Index of the next element. */
  index: number
}

export class JsonMasker {
  readonly #root: readonly Step[]
  readonly #conceal: ConcealJson
  /** Where names and strings that no mask hides are searched. */
  readonly #searching: Searching | undefined
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #stack: Frame[] = []

  #expect: 'text' | 'value' | 'value or ]' | 'name' | 'name or }' | 'colon' | 'comma or end' = 'text'
  #token: 'none' | 'name' | 'string' | 'scalar' = 'none'
  /** What an escape inside a string still needs. */
  #escape: 'none' | 'letter' | 1 | 2 | 3 | 4 = 'none'
  /** A text ended, and the next one has to begin on another line. */
  #needsLine = false

  /** Where the paths stand below the coming value, and the mask that it meets itself. */
  #steps: readonly Step[]
  #mask: Mask | undefined
  /** The masked value that is being read, by its depth; nothing passes until it ends. */
  #hiddenAt: number | undefined
  #hiddenBy: Mask | undefined

  /** The token is a name or string that is searched; nothing passes until it ends. */
  #isSearched = false

  /** The token's bytes from earlier chunks, and where it goes on in this one; `undefined` when nobody asks. */
  #kept: Uint8Array[] | undefined
  #keptBytes = 0
  #keptFrom = 0

  #chunk: Uint8Array = new Uint8Array()
  #passed = 0
  #out: Uint8Array[] = []

  constructor(paths: readonly Step[], conceal: ConcealJson, searching?: Searching) {
    this.#root = paths
    this.#steps = paths
    this.#conceal = conceal
    this.#searching = searching
  }

  /**
   * Takes the next bytes and gives what may pass.
   * @throws Denied `unmaskable` when they are not JSON: nothing more may pass then
   */
  push(chunk: Uint8Array): Uint8Array {
    this.#checkUtf8(chunk)
    this.#chunk = chunk
    this.#passed = 0
    this.#keptFrom = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#token === 'none') at = this.#between(at)
      else if (this.#token === 'scalar') at = this.#inScalar(at)
      else at = this.#inString(at)
    }
    if (this.#kept) this.#keep()
    if (this.#hiddenAt === undefined && !this.#isSearched) this.#pass(at)
    const out = concat(this.#out)
    this.#out = []
    return out
  }

  /** @throws Denied `unmaskable` when the text is not complete */
  end(): void {
    this.#checkUtf8()
    this.#chunk = new Uint8Array()
    this.#keptFrom = 0
    if (this.#token === 'scalar') this.#endScalar(0)
    if (this.#token !== 'none' || this.#expect !== 'text') throw broken('it ends in the middle')
  }

  #between(at: number): number {
    const byte = this.#chunk[at]
    switch (byte) {
      case lineFeed:
        this.#needsLine = false
        return at + 1
      case space:
      case tab:
      case carriageReturn:
        return at + 1
      case quote:
        if (this.#expect === 'name' || this.#expect === 'name or }') this.#beginName(at)
        else this.#beginString(at)
        return at + 1
      case openBrace:
      case openBracket:
        this.#beginContainer(at, byte === openBracket)
        return at + 1
      case closeBrace:
      case closeBracket:
        this.#endContainer(at, byte === closeBracket)
        return at + 1
      case colon:
        if (this.#expect !== 'colon') throw broken('it has a colon out of place')
        this.#expect = 'value'
        return at + 1
      case comma:
        if (this.#expect !== 'comma or end') throw broken('it has a comma out of place')
        this.#expect = this.#stack.at(-1)?.isArray ? 'value' : 'name'
        return at + 1
      default:
        this.#beginScalar(at)
        return at + 1
    }
  }

  #beginName(at: number): void {
    this.#token = 'name'
    if (this.#hiddenAt !== undefined) return
    // Where no mask can lie any more, nobody needs to know the names.
    if (this.#searching) this.#beginSearch(at)
    else if (this.#frame().steps.length > 0) this.#beginKeeping(at + 1)
  }

  #endName(at: number): void {
    const frame = this.#frame()
    const name = this.#kept && this.#takeKept(at)
    const next = name ? follow(frame.steps, unescaped(name)) : nowhere
    if (this.#isSearched) this.#endSearch(name, at + 1)
    this.#steps = next.steps
    this.#mask = next.mask
    this.#token = 'none'
    this.#expect = 'colon'
  }

  #beginString(at: number): void {
    this.#beginValue(at)
    this.#token = 'string'
    if (this.#hiddenAt === this.#stack.length) this.#beginKeeping(at + 1)
    else if (this.#hiddenAt === undefined && this.#searching) this.#beginSearch(at)
  }

  #endString(at: number): void {
    this.#token = 'none'
    const string = this.#kept && this.#takeKept(at)
    if (this.#isSearched) this.#endSearch(string, at + 1)
    const isHidden = string !== undefined && this.#hiddenAt === this.#stack.length
    this.#endValue(at + 1, isHidden ? { kind: 'string', text: unescaped(string) } : { kind: 'other' })
  }

  #beginSearch(at: number): void {
    this.#pass(at)
    this.#isSearched = true
    this.#beginKeeping(at + 1)
  }

  /** @param raw what stands between the quotes; nothing where that is too long to be kept */
  #endSearch(raw: Uint8Array | undefined, end: number): void {
    this.#isSearched = false
    const given = raw?.includes(backslash) ? encoder.encode(unescaped(raw)) : raw
    const shown = given ? this.#searching?.conceal(given) : this.#searching?.hide()
    if (raw && shown === given) {
      // What began in this chunk passes with what is around it.
      const isWhole = this.#passed === end - raw.length - quotes && this.#chunk[this.#passed] === quote
      if (!isWhole) this.#out.push(quoted, raw, quoted)
      if (!isWhole) this.#passed = end
      return
    }
    this.#out.push(encoder.encode(JSON.stringify(decoder.decode(shown))))
    this.#passed = end
  }

  #beginScalar(at: number): void {
    this.#beginValue(at)
    this.#token = 'scalar'
    this.#beginKeeping(at)
  }

  #endScalar(at: number): void {
    this.#token = 'none'
    const text = latin1(this.#takeKept(at))
    if (!scalar.test(text)) throw broken('it has a token that is no value')
    const isNumber = !/^[tfn]/.test(text)
    this.#endValue(at, isNumber ? { kind: 'number', text } : { kind: text === 'null' ? 'null' : 'other' })
  }

  #beginContainer(at: number, isArray: boolean): void {
    if (this.#stack.length === depthLimit) throw broken(`it is nested deeper than ${depthLimit} levels`)
    this.#beginValue(at)
    this.#stack.push({ isArray, steps: this.#steps, index: 0 })
    this.#expect = isArray ? 'value or ]' : 'name or }'
  }

  #endContainer(at: number, isArray: boolean): void {
    const mayEnd = this.#expect === 'comma or end' || this.#expect === (isArray ? 'value or ]' : 'name or }')
    if (!mayEnd || this.#frame().isArray !== isArray) throw broken('it has a bracket out of place')
    this.#stack.pop()
    this.#endValue(at + 1, { kind: 'other' })
  }

  #beginValue(at: number): void {
    const frame = this.#stack.at(-1)
    switch (this.#expect) {
      case 'text':
        if (this.#needsLine) throw broken('it goes on after its end')
        this.#steps = this.#root
        this.#mask = undefined
        break
      case 'value':
      case 'value or ]':
        if (frame?.isArray) this.#enterElement(frame)
        break
      default:
        throw broken('it has a value out of place')
    }
    if (this.#hiddenAt !== undefined || !this.#mask) return
    this.#pass(at)
    this.#hiddenAt = this.#stack.length
    this.#hiddenBy = this.#mask
    this.#steps = nowhere.steps
  }

  #endValue(at: number, value: JsonValue): void {
    this.#expect = this.#stack.length > 0 ? 'comma or end' : 'text'
    this.#needsLine = this.#stack.length === 0
    if (this.#hiddenAt !== this.#stack.length) return
    this.#hiddenAt = undefined
    this.#out.push(encoder.encode(this.#hiddenBy ? this.#conceal(value, this.#hiddenBy) : 'null'))
    this.#passed = at
  }

  #enterElement(frame: Frame): void {
    const next = frame.steps.length > 0 ? follow(frame.steps, String(frame.index)) : nowhere
    frame.index += 1
    this.#steps = next.steps
    this.#mask = next.mask
  }

  #inString(start: number): number {
    const chunk = this.#chunk
    let at = start
    while (at < chunk.length) {
      const byte = chunk[at] as number
      if (this.#escape !== 'none') this.#inEscape(byte)
      else if (byte === backslash) this.#escape = 'letter'
      else if (byte === quote) {
        if (this.#token === 'name') this.#endName(at)
        else this.#endString(at)
        return at + 1
      } else if (byte < space) throw broken('it has a control character in a string')
      at += 1
      // Nearly all bytes of nearly all texts are passed here.
      if (this.#escape === 'none') while (isPlain(chunk[at])) at += 1
    }
    return at
  }

  #inEscape(byte: number): void {
    const character = String.fromCharCode(byte)
    if (this.#escape === 'letter') {
      if (!/["\\/bfnrtu]/.test(character)) throw broken('it has an unknown escape')
      this.#escape = character === 'u' ? 4 : 'none'
    } else {
      if (!/[0-9a-f]/i.test(character)) throw broken('it has an unknown escape')
      this.#escape = this.#escape === 1 ? 'none' : ((Number(this.#escape) - 1) as 1 | 2 | 3)
    }
  }

  #inScalar(start: number): number {
    const chunk = this.#chunk
    let at = start
    while (at < chunk.length && isScalarByte(chunk[at] as number)) at += 1
    if (at < chunk.length) this.#endScalar(at)
    return at
  }

  #frame(): Frame {
    const frame = this.#stack.at(-1)
    if (!frame) throw broken('it has a bracket out of place')
    return frame
  }

  #pass(end: number): void {
    if (end > this.#passed) this.#out.push(this.#chunk.subarray(this.#passed, end))
    this.#passed = end
  }

  #beginKeeping(from: number): void {
    this.#kept = []
    this.#keptBytes = 0
    this.#keptFrom = from
  }

  /** The chunk ends inside of a token. */
  #keep(): void {
    const part = this.#chunk.slice(this.#keptFrom)
    this.#keptBytes += part.byteLength
    this.#kept?.push(part)
    switch (this.#token) {
      case 'name':
        if (this.#keptBytes > nameLimit) throw broken(`it has a name of more than ${nameLimit} bytes`)
        break
      case 'scalar':
        if (this.#keptBytes > numberLimit) throw broken(`it has a number of more than ${numberLimit} bytes`)
        break
      case 'string':
        if (this.#keptBytes > stringLimit) this.#kept = undefined
        break
      case 'none':
    }
  }

  #takeKept(end: number): Uint8Array {
    const earlier = this.#kept ?? []
    const last = this.#chunk.subarray(this.#keptFrom, end)
    this.#kept = undefined
    return earlier.length === 0 ? last : concat([...earlier, last])
  }

  #checkUtf8(chunk?: Uint8Array): void {
    try {
      this.#utf8.decode(chunk, { stream: chunk !== undefined })
    } catch {
      throw broken('it is not UTF-8')
    }
  }
}

const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const scalar = /^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$/
const nowhere = { steps: [], mask: undefined } as const
const encoder = new TextEncoder()
const quoted = Uint8Array.of(quote)
/** How many a string has around it. */
const quotes = 2
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What stands between the quotes of a string, its escapes read. */
function unescaped(bytes: Uint8Array): string {
  const text = decoder.decode(bytes)
  return text.includes('\\') ? JSON.parse(`"${text}"`) : text
}

/** A byte of a string that neither ends it nor needs a look. */
function isPlain(byte: number | undefined): boolean {
  return byte !== undefined && byte >= space && byte !== quote && byte !== backslash
}

/** Everything that does not end a number or a literal; what does not belong there fails when it ends. */
function isScalarByte(byte: number): boolean {
  return byte > space && byte !== comma && byte !== closeBracket && byte !== closeBrace
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

function broken(why: string): Denied {
  return new Denied('unmaskable', `Cannot mask JSON: ${why}`)
}
