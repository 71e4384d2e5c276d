import type { Found } from './found.ts'

/** RFC 5321, 4.5.3.1. */
const maxLocal = 64
const maxDomain = 253
const maxLabel = 63

/**
 * E-mail addresses: what stands around an @, as far as it can be a local part and the name of a host that has a dot
 * (RFC 5321, 4.1.2), letters of all scripts included (RFC 6531). Of a local part with characters that nobody uses, or
 * with too many, the end is taken. Anchored at the @, so that each character is looked at twice at most.
 */
export function emails(text: string): readonly Found[] {
  const found: Found[] = []
  let before = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    const from = localFrom(text, at, before)
    const to = from < at ? domainTo(text, at + 1) : at
    before = at + 1
    if (to === at) continue
    found.push({ from, to })
    before = to
  }
  return found
}

const local = /[\p{L}\p{M}\p{N}.%'+_~-]/u
const label = /[\p{L}\p{M}\p{N}-]/u
const topLabel = /^\p{L}[\p{L}\p{M}\p{N}-]+$/u

function localFrom(text: string, at: number, before: number): number {
  let from = at
  while (from > before && at - from < maxLocal) {
    const start = isLowSurrogate(text, from - 1) && from - 2 >= before ? from - 2 : from - 1
    if (!local.test(text.slice(start, from))) break
    from = start
  }
  // Quotes and dots before it belong to the text around it.
  const skipped = text.slice(from, at).search(/[\p{L}\p{N}_]/u)
  return skipped > 0 ? from + skipped : from
}

/** @returns the place of the @ where no host is named there */
function domainTo(text: string, start: number): number {
  let end = start - 1
  let labelAt = start
  let labels = 0
  let to = start
  for (;;) {
    const next = to + (isLowSurrogate(text, to + 1) ? 2 : 1)
    const isPart = to < text.length && to - start < maxDomain && label.test(text.slice(to, next))
    if (isPart && to - labelAt < maxLabel) {
      to = next
      continue
    }
    const isLabel = to > labelAt && text[labelAt] !== '-' && text[to - 1] !== '-'
    // A label that goes on beyond its limit is none.
    if (!isLabel || isPart) break
    labels++
    if (labels > 1 && topLabel.test(text.slice(labelAt, to))) end = to
    if (text[to] !== '.') break
    to++
    labelAt = to
  }
  return end
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff
}
