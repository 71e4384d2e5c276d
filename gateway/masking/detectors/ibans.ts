import { countrySpecs, isValidIBAN } from 'ibantools'
import type { Found } from './found.ts'

/**
 * Account numbers of ISO 13616: a country, two check digits, and as many characters as it has there, whose checks
 * ibantools makes. They may stand in groups, with one blank or dash between, in any case.
 */
export function ibans(text: string): readonly Found[] {
  const found: Found[] = []
  for (const { index, 0: start } of text.matchAll(beginnings)) {
    const length = countrySpecs[start.slice(0, 2).toUpperCase()]?.chars
    const to = length ? endOf(text, index, length) : undefined
    if (to === undefined) continue
    if (isValidIBAN(text.slice(index, to).replace(/[ -]/g, '').toUpperCase())) found.push({ from: index, to })
  }
  return found
}

const beginnings = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])/g

/** Where the number with so many letters and digits ends; nothing where it does not. */
function endOf(text: string, from: number, length: number): number | undefined {
  let at = from
  for (let left = length; left > 0; at++) {
    if (isLetterOrDigit(text.charCodeAt(at))) left--
    else if (!/[ -]/.test(text.charAt(at)) || !isLetterOrDigit(text.charCodeAt(at - 1))) return undefined
  }
  return isLetterOrDigit(text.charCodeAt(at)) ? undefined : at
}

function isLetterOrDigit(unit: number): boolean {
  return (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122)
}
