import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

/** Salts kept: the hosts of a target have one, or one each. */
const known = 4

/**
 * A password, and what SCRAM makes of it with a server's salt (RFC 5802, section 2.2, `Hi`). That takes thousands of
 * hashes, and a server asks with the same salt each time: it is worked out once.
 */
export class SaltedPassword {
  readonly #password: string
  readonly #salted = new Map<string, Promise<Buffer>>()

  constructor(password: string) {
    // PostgreSQL falls back to the raw bytes where SASLprep fails; NFKC covers what it does to ordinary text.
    this.#password = password.normalize('NFKC')
  }

  with(salt: Uint8Array, iterations: number): Promise<Buffer> {
    const key = `${iterations} ${Buffer.from(salt).toString('base64')}`
    const salted = this.#salted.get(key) ?? promisify(pbkdf2)(this.#password, salt, iterations, 32, 'sha256')
    this.#salted.delete(key)
    this.#salted.set(key, salted)
    for (const oldest of this.#salted.keys()) {
      if (this.#salted.size <= known) break
      this.#salted.delete(oldest)
    }
    return salted
  }
}
