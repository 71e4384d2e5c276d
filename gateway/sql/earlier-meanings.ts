/**
 * PostgreSQL reads a prepared statement anew when the search path, or an object that it uses, has changed. It does not
 * when somebody makes an object that would be found before one of these (`RevalidateCachedQuery` in plancache.c):
 * then the statement goes on meaning the old one.
 *
 * @module
 */
import type { Catalog } from './catalog.ts'
import type { Meaning, NamedObject, Statement } from './statement.ts'

/** Of more than these nobody knows which one the server has. */
const maxMeanings = 1_000

/** Everything that one prepared statement may have meant to the server so far. */
export class EarlierMeanings {
  readonly #first: Statement
  readonly #later = new Map<string, Meaning>()

  constructor(first: Statement) {
    this.#first = first
  }

  /** Takes down what it means by now. @returns whether the server may have kept another meaning */
  mayBeKept(now: Statement, catalog: Catalog): boolean {
    if (now === this.#first && this.#later.size === 0) return false
    const { meaning } = now
    const isKept = [this.#first.meaning, ...this.#later.values()].some((earlier) =>
      isHidden(earlier, meaning, catalog),
    )
    if (this.#later.size < maxMeanings) this.#later.set(JSON.stringify(meaning), meaning)
    return isKept || this.#later.size === maxMeanings
  }
}

/** Whether an object that is still there was found before, and by now another one is found in its place. */
function isHidden(earlier: Meaning, now: Meaning, catalog: Catalog): boolean {
  return earlier.objects.some((old) => {
    if (now.objects.some((object) => isSame(object, old)) || !isThere(old, catalog)) return false
    return now.objects.some((found) => {
      if (found.kind !== old.kind || found.name !== old.name) return false
      // Where the search path became another one, the server reads the statement anew.
      return found.schema === old.schema || (isSearched(found, earlier) && isSearched(old, now))
    })
  })
}

function isSame(one: NamedObject, other: NamedObject): boolean {
  return one.kind === other.kind && one.oid === other.oid
}

function isThere({ kind, oid, schema, name }: NamedObject, catalog: Catalog): boolean {
  const object = kind === 'relation' ? catalog.relationByOid(oid) : catalog.functionByOid(oid)
  return object?.schema === schema && object.name === name
}

/** Temporary objects are found without being asked for. */
function isSearched({ schema }: NamedObject, { searchPath }: Meaning): boolean {
  return searchPath === undefined || searchPath.includes(schema) || schema.startsWith('pg_temp')
}
