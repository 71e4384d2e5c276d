import { Buffer } from 'node:buffer'
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'

/** Signs the end of recordings. */
export interface Signer {
  /** Says which public key verifies: the beginning of the SHA-256 of its DER form. */
  readonly keyId: string
  /** PEM, for whoever verifies. */
  readonly publicKey: string
  /** @returns the Ed25519 signature in base64url (RFC 8032) */
  sign(text: string): string
}

/**
 * A signer from an Ed25519 private key in PEM (PKCS #8).
 * @throws Error when it is no such key.
 */
export function signer(privateKey: string): Signer {
  const key = read(() => createPrivateKey(privateKey))
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
  return {
    keyId: keyId(publicKey),
    publicKey,
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64url'),
  }
}

/** A new Ed25519 private key in PEM (PKCS #8), for a gateway that has none yet. */
export function generatePrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/**
 * Which of these public keys (PEM) it was that signed the text; `undefined` when it was none of them.
 * @throws Error when one of the keys is no Ed25519 key.
 */
export function signedBy(publicKeys: readonly string[], text: string, signature: string): string | undefined {
  return publicKeys.find((publicKey) =>
    verify(
      null,
      Buffer.from(text),
      read(() => createPublicKey(publicKey)),
      Buffer.from(signature, 'base64url'),
    ),
  )
}

/** The id of a public key in PEM. */
export function keyId(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}

function read<Key extends { asymmetricKeyType?: string | undefined }>(parse: () => Key): Key {
  let key: Key
  try {
    key = parse()
  } catch {
    // The cause is left out: it may quote the key.
    throw new Error('Cannot read signing key: it must be an Ed25519 key in PEM')
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new Error(`Cannot read signing key: it must be an Ed25519 key, got "${key.asymmetricKeyType}"`)
}
