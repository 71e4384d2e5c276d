/**
 * Functions of extensions that PostgreSQL and Debian ship, each read in its source (contrib of PostgreSQL 15 and 18), that
 * a statement may call while columns are masked although they are not immutable, or of which more is known than that.
 *
 * @module
 */
import type { FunctionClass } from './function-class.ts'

/** @param signature as `similarity_op(text,text)`, without its schema; @returns nothing for what nobody has reviewed */
export function extensionFunctionClass(extension: string, signature: string): FunctionClass | undefined {
  return reviewed.get(`${extension}.${signature}`)
}

/** Extensions whose immutable functions in C have been read: all that they go by is their arguments. */
export const reviewedExtensions: ReadonlySet<string> = new Set(['citext', 'pg_trgm', 'uuid-ossp', 'pgcrypto'])

const reviewed: ReadonlyMap<string, FunctionClass> = new Map([
  // They compare as text does, in lower case.
  ...['citext.max(citext)', 'citext.min(citext)'].map(total),
  ...['citext.citextsend(citext)'].map(session),
  // Two texts and a setting of the session, a threshold. `%` is the first of them, beside `%` of numbers.
  ...['similarity_op', 'word_similarity_op', 'word_similarity_commutator_op'].map(ofTexts).map(session),
  ...['strict_word_similarity_op', 'strict_word_similarity_commutator_op'].map(ofTexts).map(session),
  ...['pg_trgm.show_limit()'].map(session),
  // Randomness, the clock and the address of a network card: what defaults of keys are made of.
  ...['v1', 'v1mc', 'v4'].map((version) => `uuid-ossp.uuid_generate_${version}()`).map(session),
  ...['gen_random_uuid()', 'gen_random_bytes(int4)'].map((each) => `pgcrypto.${each}`).map(session),
  ...['gen_salt(text)', 'gen_salt(text,int4)'].map((each) => `pgcrypto.${each}`).map(session),
])

function ofTexts(name: string): string {
  return `pg_trgm.${name}(text,text)`
}

function session(key: string): [string, FunctionClass] {
  return [key, 'session']
}

function total(key: string): [string, FunctionClass] {
  return [key, 'total']
}
