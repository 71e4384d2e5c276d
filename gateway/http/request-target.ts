/**
 * The request target, read once from the bytes that the agent sent and written once for the target, so that
 * policy and target cannot understand different things by it.
 *
 * URL parsers resolve `..`, fold backslashes and drop fragments before anybody can object; so this reads the
 * raw target (RFC 9112, 3.2) and refuses what servers are known to read in more than one way.
 *
 * @module
 */
import { Denied } from '../errors.ts'

export interface RequestTarget {
  /** Decoded once: `/orders/a b`. A slash at the end stays, but makes no segment. */
  readonly path: string
  /** The decoded path's parts, none of them empty: `['orders', 'a b']`. */
  readonly segments: readonly string[]
  /** Decoded pairs in the order they came; a name without `=` has no value. */
  readonly query: readonly (readonly [name: string, value: string | undefined])[]
}

/** Longer ones are refused: nothing sensible needs them, and policy has to read them. */
export const targetLimit = 8 * 1024

/**
 * Reads a raw request target in origin form (`/a?b`) or absolute form (`http://host/a?b`).
 * `+` in a query is a space, as in forms; a plus is written `%2B`.
 *
 * @throws Denied `too_large` or `invalid`
 * @example parseRequestTarget('/a%20b?c=1').path // '/a b'
 */
export function parseRequestTarget(raw: string): RequestTarget {
  if (raw.length > targetLimit) {
    throw new Denied('too_large', `Cannot read request: its target is longer than ${targetLimit} bytes`)
  }
  const target = raw.replace(/^https?:\/\/[^/?#]*/i, '')
  if (!/^[\x21-\x7e]*$/.test(target)) throw refused('its target holds characters outside of printable ASCII')
  if (target.includes('#')) throw refused('its target holds a fragment')
  const mark = target.indexOf('?')
  const rawPath = mark === -1 ? target : target.slice(0, mark)
  const segments = parsePath(rawPath === '' ? '/' : rawPath)
  const end = segments.length > 0 && rawPath.endsWith('/') ? '/' : ''
  return {
    path: `/${segments.join('/')}${end}`,
    segments,
    query: mark === -1 ? [] : parseQuery(target.slice(mark + 1)),
  }
}

/** Takes the first `count` segments away: what remains is the target as somebody behind a prefix sees it. */
export function withoutPrefix(target: RequestTarget, count: number): RequestTarget {
  const segments = target.segments.slice(count)
  const end = segments.length > 0 && target.path.endsWith('/') ? '/' : ''
  return { path: `/${segments.join('/')}${end}`, segments, query: target.query }
}

/** Writes the target in the one form that is forwarded; `;` and other reserved characters are encoded. */
export function formatRequestTarget({ path, segments, query }: RequestTarget): string {
  const end = segments.length > 0 && path.endsWith('/') ? '/' : ''
  const search = query.map(([name, value]) =>
    value === undefined ? encodeForm(name) : `${encodeForm(name)}=${encodeForm(value)}`,
  )
  return `/${segments.map(encodeSegment).join('/')}${end}${search.length > 0 ? `?${search.join('&')}` : ''}`
}

/** The query as facts hold it: every name with all of its values; a name without `=` has the value `''`. */
export function queryFacts(query: RequestTarget['query']): Record<string, string[]> {
  const values = new Map<string, string[]>()
  for (const [name, value = ''] of query) {
    const known = values.get(name)
    if (known) known.push(value)
    else values.set(name, [value])
  }
  return Object.fromEntries(values)
}

function parsePath(raw: string): string[] {
  if (!raw.startsWith('/')) throw refused('its path does not begin with a slash')
  if (raw.includes('\\')) throw refused('its path holds a backslash')
  const segments = raw.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  return segments.map((segment) => {
    const text = decode(segment, 'path')
    if (/[/\\]/.test(text)) throw refused('its path holds an encoded slash or backslash')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw refused('its path holds a control character')
    // Servers that decode twice would find another path behind this one.
    if (/%[0-9a-f]{2}/i.test(text)) throw refused('its path is percent-encoded twice')
    // Servlet containers drop what follows a semicolon before they resolve dots: `..;x` is `..` to them.
    const name = text.replace(/;.*$/s, '')
    if (name === '') throw refused('its path holds an empty segment')
    // Some trim a segment first, and Windows takes more dots for two.
    if (/^\.[.\s]*$/.test(name.trim())) throw refused('its path holds a "." or ".." segment')
    return text
  })
}

function parseQuery(raw: string): [string, string | undefined][] {
  const pairs: [string, string | undefined][] = []
  for (const pair of raw.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    pairs.push([name, equals === -1 ? undefined : decodeForm(pair.slice(equals + 1))])
  }
  return pairs
}

function decodeForm(text: string): string {
  const decoded = decode(text.replaceAll('+', ' '), 'query')
  if (decoded.includes('\0')) throw refused('its query holds a NUL')
  return decoded
}

/** Percent-decoding that refuses invalid UTF-8, overlong forms included (RFC 3629, 3). */
function decode(text: string, part: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw refused(`its ${part} is not percent-encoded UTF-8`)
  }
}

/** Everything but unreserved characters (RFC 3986, 2.3) is encoded, and the few that paths commonly hold. */
function encodeSegment(segment: string): string {
  return encodeForm(segment).replace(/%(40|3A|24|2C|2B|3D|26)/g, decodeURIComponent)
}

function encodeForm(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function refused(why: string): Denied {
  return new Denied('invalid', `Cannot read request: ${why}`)
}
