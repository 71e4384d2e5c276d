/** What can be seen of a text in one look at its bytes. */
export interface Traits {
  /** In bytes. */
  readonly length: number
  readonly hasAt: boolean
  /** It has an address with a scheme, as `https://`. */
  readonly hasScheme: boolean
  /** Digits of ASCII. */
  readonly digits: number
  /** Bytes of the longest word, up to white space or an @, among those with a digit or a capital of ASCII. */
  readonly longestMixed: number
}

/** Most texts hold nothing that detectors look for: this tells, without their being decoded. */
export function traits(bytes: Uint8Array): Traits {
  let hasAt = false
  let hasScheme = false
  let digits = 0
  let longestMixed = 0
  let wordFrom = 0
  let isMixed = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte >= lowerA) continue
    if (byte <= space || byte === atSign) {
      if (isMixed && at - wordFrom > longestMixed) longestMixed = at - wordFrom
      hasAt ||= byte === atSign
      wordFrom = at + 1
      isMixed = false
    } else if (byte >= zero && byte <= nine) {
      digits++
      isMixed = true
    } else if (byte >= upperA && byte <= upperZ) isMixed = true
    else if (byte === slash) hasScheme ||= bytes[at - 1] === slash && bytes[at - 2] === colon
  }
  if (isMixed) longestMixed = Math.max(longestMixed, bytes.length - wordFrom)
  return { length: bytes.length, hasAt, hasScheme, digits, longestMixed }
}

const space = 0x20
const slash = 0x2f
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const atSign = 0x40
const upperA = 0x41
const upperZ = 0x5a
const lowerA = 0x61
