import { isValidPhoneNumber } from 'libphonenumber-js'
import type { Found } from './found.ts'

/** The shortest that libphonenumber knows of. */
const fewestDigits = 7
/** What looks like numbers is checked, for some tens of microseconds each, up to so many; a text with more is hidden. */
const mostCandidates = 128

/**
 * Telephone numbers in the international form (ITU-T E.123: `+49 (170) 123-4567`) that libphonenumber finds valid.
 * In national form a number is like any other: without a country nobody can tell.
 */
export function phones(text: string): readonly Found[] {
  const found: Found[] = []
  let count = 0
  for (const { index, 0: candidate } of text.matchAll(candidates)) {
    if (++count > mostCandidates) return [{ from: 0, to: text.length }]
    const end = validEnd(candidate)
    if (end !== undefined) found.push({ from: index, to: index + end })
  }
  return found
}

/** A plus, or the zeros that many dial for it, and as many digits as E.164 allows, with up to three marks between. */
const candidates = /(?:\+|(?<![\d+.,])00)(?:[ ().\-/]{0,3}\d){7,15}(?!\d)/g

/** What follows a number may look like more of it: then it is tried without its last groups. */
function validEnd(candidate: string): number | undefined {
  let end = candidate.length
  for (let tries = 0; tries < maxTries; tries++) {
    if (isValidPhoneNumber(candidate.slice(0, end).replace(/^00/, '+'))) return end
    const shorter = /[ ().\-/]+\d+$/.exec(candidate.slice(0, end))
    if (!shorter) return undefined
    end = shorter.index
    if (candidate.slice(0, end).replace(/^00|\D/g, '').length < fewestDigits) return undefined
  }
  return undefined
}

const maxTries = 4
