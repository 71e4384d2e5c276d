/**
 * What a SCRAM exchange says of the TLS connection that it runs in (RFC 5802, section 6), by the server's
 * certificate: `tls-server-end-point` of RFC 5929, section 4.
 *
 * @module
 */
import { createHash } from 'node:crypto'

/** The digest of a certificate (DER); `undefined` where RFC 5929 defines none, as for Ed25519. */
export function serverEndPoint(certificate: Uint8Array): Uint8Array | undefined {
  const hash = hashOf(certificate)
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest()
}

/** Hash functions by the identifier of the signature that uses them (RFC 8017, RFC 5758), or of their own (RFC 5754). */
const hashes: ReadonlyMap<string, string> = new Map([
  // MD5 and SHA-1 are replaced by SHA-256, says RFC 5929.
  ['1.2.840.113549.1.1.4', 'sha256'],
  ['1.2.840.113549.1.1.5', 'sha256'],
  ['1.2.840.10045.4.1', 'sha256'],
  ['1.3.14.3.2.26', 'sha256'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/** RSASSA-PSS names its hash in its parameters (RFC 4055, section 3.1). */
const rsassaPss = '1.2.840.113549.1.1.10'

function hashOf(certificate: Uint8Array): string | undefined {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm, parameters }, … }
  const [, signatureAlgorithm] = children(element(certificate).content)
  const [algorithm, parameters] = children(signatureAlgorithm?.content)
  const identifier = objectIdentifier(algorithm)
  if (identifier !== rsassaPss) return hashes.get(identifier)
  // RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] HashAlgorithm DEFAULT sha1, … }
  const hashAlgorithm = children(parameters?.content).find(({ tag }) => tag === contextTag0)
  if (!hashAlgorithm) return 'sha256'
  const [named] = children(element(hashAlgorithm.content).content)
  return hashes.get(objectIdentifier(named))
}

const objectIdentifierTag = 0x06
const contextTag0 = 0xa0

/** One value of DER (X.690, chapter 8). */
interface Element {
  readonly tag: number
  readonly content: Uint8Array
  /** With tag and length. */
  readonly size: number
}

function element(bytes: Uint8Array): Element {
  const [tag = 0, first = 0] = bytes
  // The length itself, or how many bytes of length follow.
  const more = first < 0x80 ? 0 : first & 0x7f
  const start = 2 + more
  let length = more === 0 ? first : 0
  for (const byte of bytes.subarray(2, start)) length = length * 256 + byte
  const size = start + length
  if (size > bytes.length) throw new Error('Cannot read certificate: it ends too early')
  return { tag, content: bytes.subarray(start, size), size }
}

function children(content: Uint8Array = new Uint8Array(0)): Element[] {
  const found: Element[] = []
  for (let at = 0; at < content.length; at += found.at(-1)?.size ?? 0)
    found.push(element(content.subarray(at)))
  return found
}

/** `1.2.840.…`; empty for anything else. */
function objectIdentifier(of: Element | undefined): string {
  if (of?.tag !== objectIdentifierTag) return ''
  const numbers: number[] = []
  let number = 0
  for (const byte of of.content) {
    number = number * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      numbers.push(number)
      number = 0
    }
  }
  // The first two share a number.
  const [both = 0, ...others] = numbers
  const first = Math.min(Math.floor(both / 40), 2)
  return [first, both - first * 40, ...others].join('.')
}
