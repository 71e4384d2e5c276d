/**
 * How masks are applied to an HTTP response, and the rest of it is searched: everything that cannot be masked or
 * searched does not pass.
 *
 * @module
 */
import type { Mask, Terms } from '../decision.ts'
import { Denied } from '../errors.ts'
import { type ConcealJson, concealJson } from '../masking/conceal-json.ts'
import type { Searching } from '../masking/findings.ts'
import { JsonMasker } from '../masking/json-masker.ts'
import { pathPatterns, type Step } from '../masking/path-pattern.ts'
import { searchedText } from '../masking/searched-message.ts'
import type { HttpHead, MaskPlan, ResultStream } from '../operation.ts'
import { EventStreamMasker } from './mask-events.ts'
import { TextSearcher } from './search-text.ts'

/**
 * Masks of kind `path` concern HTTP; the others are for other protocols.
 * @throws Denied `unmaskable` when a path makes no sense
 */
export function maskPlan(masks: readonly Mask[], method: string, searching?: Searching): MaskPlan {
  const fields = pathMasks(masks)
  const paths = pathPatterns(fields)
  return {
    masked: [...new Set(fields.map((mask) => mask.field))],
    apply: (result, digest) =>
      paths.length === 0 && !searching
        ? result
        : applied(result, { method, paths, conceal: concealJson(digest), searching }),
  }
}

/** Whether a response is masked or searched, so that it has to come whole and uncompressed. */
export function isRead({ masks, detectors }: Pick<Terms, 'masks' | 'detectors'>): boolean {
  return detectors !== undefined || pathMasks(masks).length > 0
}

/** The masks that an HTTP response can meet. */
function pathMasks(masks: readonly Mask[]): readonly Mask[] {
  return masks.filter((mask) => mask.kind === 'path')
}

/**
 * Asks the target for an answer that can be masked: whole, uncompressed, whatever the agent has of it. A read
 * loses its conditions, by which guesses at hidden bytes could be tested; those of a write keep it from
 * overwriting, so they stay.
 */
export function askForMaskable(headers: Headers, isReadOnly: boolean): void {
  headers.set('accept-encoding', 'identity')
  for (const name of isReadOnly ? [...partial, ...conditions] : partial) headers.delete(name)
}

const partial = ['range', 'if-range']
const conditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']

interface Plan {
  readonly method: string
  readonly paths: readonly Step[]
  readonly conceal: ConcealJson
  readonly searching: Searching | undefined
}

async function* applied(result: ResultStream, plan: Plan): ResultStream {
  let masker: JsonMasker | EventStreamMasker | TextSearcher | undefined
  /** Waits for a text that is searched as a whole: until then it may turn out to be too long. */
  let waiting: HttpHead | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head':
        if (part.protocol !== 'http') throw new Error('Cannot mask response: its head is not of HTTP')
        masker = maskerFor(part, plan)
        if (masker instanceof TextSearcher) waiting = maskedHead(part, plan)
        else yield maskedHead(part, plan)
        break
      case 'data': {
        if (!masker) throw refused('it has a body where none may be')
        const bytes = masker.push(part.bytes)
        if (bytes && bytes.byteLength > 0) yield { ...part, bytes }
        break
      }
      case 'end': {
        const bytes = masker?.end()
        if (waiting) yield waiting
        if (bytes && bytes.byteLength > 0) yield { kind: 'data', bytes, count: 0 }
        yield part
        break
      }
      default:
        yield part
    }
  }
}

/** `undefined` where there cannot be a body. */
function maskerFor(
  { status, headers }: HttpHead,
  { method, paths, conceal, searching }: Plan,
): JsonMasker | EventStreamMasker | TextSearcher | undefined {
  if (method === 'HEAD' || status === 204 || status === 304) return undefined
  if (headers.get('content-length') === '0') return undefined
  if (status === 206) throw refused('it is only a part')
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') throw refused('it is compressed, though that was not asked for')
  const [type = '', ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(/\s*;\s*/)
  const charsets = parameters.filter((parameter) => parameter.startsWith('charset='))
  if (!charsets.every((charset) => /^charset="?utf-?8"?$/.test(charset))) {
    throw refused('its charset is not UTF-8')
  }
  if (type.trim() === 'text/event-stream') return new EventStreamMasker(paths, conceal, searching)
  if (jsonType.test(type.trim())) return new JsonMasker(paths, conceal, searching)
  if (searching && paths.length === 0 && textType.test(type.trim())) return new TextSearcher(searching)
  throw refused(type ? `its content type is "${type.trim()}"` : 'it has no content type')
}

/** JSON, with the structured suffix (RFC 6839, 3.1), or several texts, one a line. */
const jsonType = /^(?:application|text)\/(?:json|(?:x-)?ndjson|jsonl|x-jsonlines|[a-z0-9!#$&^_.+-]+\+json)$/

/** What is written to be read, in whatever language. */
const textType =
  /^(?:text\/[a-z0-9!#$&^_.+-]+|application\/(?:xml|(?:x-)?yaml|(?:x-)?javascript|sql|[a-z0-9!#$&^_.+-]+\+(?:xml|yaml)))$/

/** Digests, validators and lengths tell of the bytes that were hidden, and are wrong for the ones that pass. */
function maskedHead(head: HttpHead, { searching }: Plan): HttpHead {
  const headers = new Headers(head.headers)
  for (const name of describingHeaders) headers.delete(name)
  if (searching) for (const [name, value] of [...headers]) headers.set(name, searchedText(value, searching))
  return { ...head, headers }
}

const describingHeaders = [
  'content-length',
  'content-digest',
  'repr-digest',
  'digest',
  'content-md5',
  'etag',
  'last-modified',
  'accept-ranges',
  'content-range',
]

function refused(why: string): Denied {
  return new Denied('unmaskable', `Cannot mask response: ${why}`, {
    hint: 'What is masked or searched can only be read as JSON in UTF-8, what is searched also as text.',
  })
}
