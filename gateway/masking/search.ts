/** Looks for personal data and secrets in texts, and replaces them. @module */
import type { Detector } from '../detector.ts'
import type { Search } from '../operation.ts'
import { bytesOf, textOf } from '../sql/values/codec.ts'
import { redacted } from './conceal-text.ts'
import { cards } from './detectors/cards.ts'
import { emails } from './detectors/emails.ts'
import type { Find, Found } from './detectors/found.ts'
import { ibans } from './detectors/ibans.ts'
import { phones } from './detectors/phones.ts'
import { secrets } from './detectors/secrets.ts'
import { type Traits, traits } from './traits.ts'

/** Bytes of a text that are searched; a longer one is hidden altogether, if there may be anything in it. */
export const searchLimit = 16 * 1024

/** @param detectors each once */
export function search(detectors: readonly Detector[]): Search {
  const all = detectors.map((detector) => {
    const { finder, needs } = finders[detector]
    return { detector, needs, find: finder() }
  })
  return {
    detectors,
    conceal(bytes, note, limit = searchLimit) {
      const seen = traits(bytes)
      const some = all.filter(({ needs }) => needs(seen))
      if (some.length === 0) return bytes
      if (bytes.length > limit) {
        note('too long')
        return bytesOf(redacted)
      }
      const text = textOf(bytes)
      const found = some.flatMap(({ detector, find }) => find(text).map((place) => ({ detector, ...place })))
      return found.length === 0 ? bytes : bytesOf(replaced(text, found, note))
    },
  }
}

interface Finder {
  readonly finder: () => Find
  /** Whether a text like this may hold what it looks for. */
  readonly needs: (traits: Traits) => boolean
}

const finders: Readonly<Record<Detector, Finder>> = {
  email: { finder: () => emails, needs: ({ hasAt }) => hasAt },
  card: { finder: () => cards, needs: ({ digits }) => digits >= 12 },
  iban: { finder: () => ibans, needs: ({ digits, length }) => digits >= 2 && length >= 15 },
  phone: { finder: () => phones, needs: ({ digits }) => digits >= 7 },
  // Keys and tokens are words that are long and of all kinds of characters; others are in addresses.
  secret: { finder: secrets, needs: ({ longestMixed, hasScheme }) => longestMixed >= 12 || hasScheme },
}

type Finding = Found & { readonly detector: Detector }

/** What overlaps is replaced as one, by the name of what begins first. */
function replaced(text: string, found: readonly Finding[], note: Parameters<Search['conceal']>[1]): string {
  const sorted = found.toSorted((a, b) => a.from - b.from || b.to - a.to)
  let shown = ''
  let at = 0
  for (const { detector, from, to } of sorted) {
    if (from >= at) {
      note(detector)
      shown += `${text.slice(at, from)}[${detector}]`
    }
    at = Math.max(at, to)
  }
  return shown + text.slice(at)
}
