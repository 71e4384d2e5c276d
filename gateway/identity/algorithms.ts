/**
 * The signatures that a token may carry (RFC 7518, RFC 8037, RFC 9864): asymmetric ones only. An issuer's
 * configuration can shorten this list and never lengthen it, so `none` and HMAC (where the public key would
 * serve as the secret) are out of reach.
 *
 * @module
 */
export const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

export type Algorithm = (typeof algorithms)[number]
