/** Texts of which the ends stay. @module */

/** How many characters at each end policy lets stay. */
export interface Ends {
  readonly start: number
  readonly end: number
}

/**
 * Writes what is left of a text in UTF-8: its ends, counted in code points, and never more than half in all, as of a
 * short one too much would be left; a star for each other character. Never longer than the text.
 *
 * @returns where the writing ended
 */
export function writePartial(
  asked: Ends,
  input: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  const characters = countCharacters(input, from, to)
  // Where it is not known what a character is, none is shown.
  if (characters === undefined) {
    out.fill(star, at, at + to - from)
    return at + to - from
  }
  const half = characters >> 1
  const wanted = asked.start + asked.end
  const start = wanted > half ? Math.floor((half * asked.start) / wanted) : asked.start
  const end = wanted > half ? half - start : asked.end

  let written = at
  let next = from
  for (let left = start; left > 0; left--) {
    do out[written++] = input[next++] as number
    while (isContinuation(input[next]) && next < to)
  }
  for (let left = characters - start - end; left > 0; left--) out[written++] = star
  next = to
  for (let left = end; left > 0; left--) {
    do next--
    while (isContinuation(input[next]))
  }
  while (next < to) out[written++] = input[next++] as number
  return written
}

/** Of one text. */
export function partial(value: string, asked: Ends): string {
  const bytes = new TextEncoder().encode(value)
  const out = new Uint8Array(bytes.length)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    out.subarray(0, writePartial(asked, bytes, 0, bytes.length, out, 0)),
  )
}

const star = 0x2a

/** @returns nothing for what is no UTF-8, as a database that knows no encoding may hold */
function countCharacters(input: Uint8Array, from: number, to: number): number | undefined {
  let characters = 0
  let missing = 0
  for (let next = from; next < to; next++) {
    const byte = input[next] as number
    if (isContinuation(byte) !== missing > 0) return undefined
    if (missing > 0) missing--
    else {
      characters++
      missing = continuations(byte)
    }
  }
  return missing === 0 ? characters : undefined
}

/** How many bytes go on with the character that begins with this one. */
function continuations(byte: number): number {
  if (byte < 0x80) return 0
  if (byte < 0xe0) return 1
  return byte < 0xf0 ? 2 : 3
}

/** A byte that goes on with a character (10xxxxxx). */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
