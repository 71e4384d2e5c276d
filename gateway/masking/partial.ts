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
  let characters = 0
  for (let next = from; next < to; next++) if (!isContinuation(input[next])) characters++
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

/** A byte that goes on with a character (10xxxxxx). */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
