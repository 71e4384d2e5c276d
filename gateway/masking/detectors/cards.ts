import cardTypes from 'credit-card-type'
import type { Found } from './found.ts'

/** ISO/IEC 7812-1: an account number has so many digits. */
const fewest = 12
const most = 19

/**
 * Numbers of payment cards: 12 to 19 digits whose last one is right (Luhn), of an issuer and in a length that
 * credit-card-type knows. They may stand in groups of two and more, with one blank or dash between.
 */
export function cards(text: string): readonly Found[] {
  const found: Found[] = []
  for (const run of text.matchAll(digitRuns)) {
    const isFraction = /\d[.,]$/.test(text.slice(Math.max(0, run.index - 2), run.index))
    if (!isFraction) found.push(...inRun(run[0], run.index))
  }
  return found
}

const digitRuns = /\d+(?:[ -]\d+)*/g

/** Behind a card's number its date may stand, before it another number: each row of whole groups is tried. */
function inRun(run: string, offset: number): Found[] {
  const groups = [...run.matchAll(/\d+/g)].map((group) => ({ from: group.index, digits: group[0] }))
  const found: Found[] = []
  for (let first = 0; first < groups.length; first++) {
    const last = lastOfCard(groups, first)
    const [start, end] = [groups[first], groups[last ?? -1]]
    if (!start || !end || last === undefined) continue
    found.push({ from: offset + start.from, to: offset + end.from + end.digits.length })
    first = last
  }
  return found
}

function lastOfCard(groups: readonly { readonly digits: string }[], first: number): number | undefined {
  let digits = ''
  let longest: number | undefined
  for (let last = first; last < groups.length; last++) {
    const group = groups[last]?.digits ?? ''
    if (group.length < 2 || digits.length + group.length > most) break
    digits += group
    if (digits.length >= fewest && isLuhn(digits) && isIssued(digits)) longest = last
  }
  return longest
}

/** ISO/IEC 7812-1, annex B. */
function isLuhn(digits: string): boolean {
  let sum = 0
  for (let at = digits.length - 1, isDoubled = false; at >= 0; at--, isDoubled = !isDoubled) {
    const digit = digits.charCodeAt(at) - 48
    sum += isDoubled ? digit * 2 - (digit > 4 ? 9 : 0) : digit
  }
  return sum % 10 === 0
}

interface Issued {
  /** The first digits, from one number to another of the same length. */
  readonly from: number
  readonly to: number
  readonly length: number
  readonly lengths: ReadonlySet<number>
}

const issued: readonly Issued[] = Object.values(cardTypes.types).flatMap((type) => {
  const { patterns, lengths } = cardTypes.getTypeInfo(type)
  return patterns.map((pattern): Issued => {
    const [from, to] = Array.isArray(pattern) ? [Number(pattern[0]), Number(pattern[1])] : [pattern, pattern]
    return { from, to, length: String(from).length, lengths: new Set(lengths) }
  })
})

const issuedByFirst: ReadonlyMap<string, readonly Issued[]> = new Map(
  [...'0123456789'].map((first) => [
    first,
    issued.filter(({ from, to }) => String(from).charAt(0) <= first && first <= String(to).charAt(0)),
  ]),
)

function isIssued(digits: string): boolean {
  const possible = issuedByFirst.get(digits.charAt(0)) ?? []
  return possible.some(({ from, to, length, lengths }) => {
    const prefix = Number(digits.slice(0, length))
    return prefix >= from && prefix <= to && lengths.has(digits.length)
  })
}
