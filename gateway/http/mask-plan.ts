/** How masks are applied to an HTTP response: everything that cannot be masked does not pass. @module */
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import { type ConcealJson, concealJson } from '../masking/conceal-json.ts'
import { JsonMasker } from '../masking/json-masker.ts'
import { pathPatterns, type Step } from '../masking/path-pattern.ts'
import type { HttpHead, MaskPlan, ResultStream } from '../operation.ts'
import { EventStreamMasker } from './mask-events.ts'

/**
 * Masks of kind `path` concern HTTP; the others are for other protocols.
 * @throws Denied `unmaskable` when a path makes no sense
 */
export function maskPlan(masks: readonly Mask[], method: string): MaskPlan {
  const fields = pathMasks(masks)
  const paths = pathPatterns(fields)
  return {
    masked: [...new Set(fields.map((mask) => mask.field))],
    apply: (result, digest) =>
      paths.length === 0 ? result : applied(result, method, paths, concealJson(digest)),
  }
}

/** The masks that an HTTP response can meet. */
export function pathMasks(masks: readonly Mask[]): readonly Mask[] {
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

async function* applied(
  result: ResultStream,
  method: string,
  paths: readonly Step[],
  conceal: ConcealJson,
): ResultStream {
  let masker: JsonMasker | EventStreamMasker | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head':
        if (part.protocol !== 'http') throw new Error('Cannot mask response: its head is not of HTTP')
        masker = maskerFor(part, method, paths, conceal)
        yield maskedHead(part)
        break
      case 'data': {
        if (!masker) throw refused('it has a body where none may be')
        const bytes = masker.push(part.bytes)
        if (bytes.byteLength > 0) yield { ...part, bytes }
        break
      }
      case 'end':
        masker?.end()
        yield part
        break
      default:
        yield part
    }
  }
}

/** `undefined` where there cannot be a body. */
function maskerFor(
  { status, headers }: HttpHead,
  method: string,
  paths: readonly Step[],
  conceal: ConcealJson,
): JsonMasker | EventStreamMasker | undefined {
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
  if (type.trim() === 'text/event-stream') return new EventStreamMasker(paths, conceal)
  if (jsonType.test(type.trim())) return new JsonMasker(paths, conceal)
  throw refused(type ? `its content type is "${type.trim()}"` : 'it has no content type')
}

/** JSON, with the structured suffix (RFC 6839, 3.1), or several texts, one a line. */
const jsonType = /^(?:application|text)\/(?:json|(?:x-)?ndjson|jsonl|x-jsonlines|[a-z0-9!#$&^_.+-]+\+json)$/

/** Digests, validators and lengths tell of the bytes that were hidden, and are wrong for the ones that pass. */
function maskedHead(head: HttpHead): HttpHead {
  const headers = new Headers(head.headers)
  for (const name of describingHeaders) headers.delete(name)
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
    hint: 'Masked fields of this target can only be read as JSON in UTF-8.',
  })
}
