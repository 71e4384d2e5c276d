/**
 * What a session has changed of the settings that decide what an unqualified name means, and what comes
 * back when its transaction, or a part of it, is rolled back. Follows `guc.c`: SET lasts when the transaction
 * commits, SET LOCAL does not, and a rollback brings back what was there before.
 *
 * @module
 */
import type { Catalog } from './catalog.ts'

/** `initial`: as the session began. `unknown`: changed by something that nobody can follow. */
export type Known<T> =
  | { readonly kind: 'initial' }
  | { readonly kind: 'set'; readonly value: T }
  | { readonly kind: 'unknown' }

export interface NameValues {
  /** Schemas as `search_path` lists them, `$user` among them. */
  readonly path: Known<readonly string[]>
  /** The current role, which `$user` and the right to use a schema follow; `none` as in SET ROLE. */
  readonly role: Known<string>
  /** Who the session is when it is in no other role. */
  readonly user: 'initial' | 'unknown'
}

export interface NameState {
  /** What counts now. */
  readonly now: NameValues
  /** What is left when the transaction commits. */
  readonly lasting: NameValues
  /** What comes back when it is rolled back. */
  readonly before: NameValues
  readonly savepoints: readonly Savepoint[]
}

interface Savepoint {
  readonly name: string
  readonly now: NameValues
  readonly lasting: NameValues
}

/** What `initial` stands for. */
export interface FirstNames {
  /** Schemas that `search_path` lists; `undefined` when that is not known. */
  readonly path: readonly string[] | undefined
  /** As in SET ROLE; `undefined` for that of any new session. */
  readonly role?: string | undefined
}

/** What a statement does to it, once it has run. */
export type NameChange =
  | { readonly kind: 'path'; readonly value: NameValues['path']; readonly isLocal: boolean }
  | { readonly kind: 'role'; readonly value: NameValues['role']; readonly isLocal: boolean }
  /** SET SESSION AUTHORIZATION, which takes the role along. */
  | { readonly kind: 'user'; readonly isLocal: boolean }
  /** Code ran that may have changed any of them, within its transaction. */
  | { readonly kind: 'unknown' }
  /** Code ran that may also have committed. */
  | { readonly kind: 'anything' }
  | { readonly kind: 'commit' | 'rollback' }
  | { readonly kind: 'savepoint' | 'release' | 'rollback to'; readonly name: string }
  /** DISCARD ALL: as the session began, temporary objects gone. */
  | { readonly kind: 'discard' }

const initial: NameValues = { path: { kind: 'initial' }, role: { kind: 'initial' }, user: 'initial' }
const unknown: NameValues = { path: { kind: 'unknown' }, role: { kind: 'unknown' }, user: 'unknown' }

/** One object, so that the sessions that have changed nothing, most of them, are told by identity. */
export const initialNames: NameState = { now: initial, lasting: initial, before: initial, savepoints: [] }
export const unknownNames: NameState = { now: unknown, lasting: unknown, before: unknown, savepoints: [] }

/** The same values, whatever happens to the transaction. */
function everywhere(values: NameValues): NameState {
  const { path, role, user } = values
  if (path.kind === 'initial' && role.kind === 'initial' && user === 'initial') return initialNames
  return { now: values, lasting: values, before: values, savepoints: [] }
}

/** The state once a statement with this change has succeeded. */
export function changed(state: NameState, change: NameChange): NameState {
  const { now, lasting, before, savepoints } = state
  switch (change.kind) {
    case 'path':
    case 'role':
      return updated(state, { [change.kind]: change.value }, change.isLocal)
    case 'user':
      return updated(state, { role: { kind: 'unknown' }, user: 'unknown' }, change.isLocal)
    case 'unknown':
      return { ...state, now: unknown, lasting: unknown }
    case 'anything':
      return unknownNames
    case 'commit':
      return isOver(state) ? state : everywhere(lasting)
    case 'rollback':
      return isOver(state) ? state : everywhere(before)
    case 'savepoint':
      return {
        ...state,
        savepoints: [...savepoints.slice(1 - maxSavepoints), { name: change.name, now, lasting }],
      }
    case 'release': {
      const index = indexOf(savepoints, change.name)
      return index < 0 ? unknownNames : { ...state, savepoints: savepoints.slice(0, index) }
    }
    case 'rollback to': {
      const index = indexOf(savepoints, change.name)
      const savepoint = savepoints[index]
      if (!savepoint) return unknownNames
      return { ...state, ...valuesOf(savepoint), savepoints: savepoints.slice(0, index + 1) }
    }
    case 'discard':
      // It takes back the session's user, and the role with it (manual, DISCARD).
      return everywhere({ ...initial, role: { kind: 'set', value: 'none' } })
  }
}

function updated(state: NameState, values: Partial<NameValues>, isLocal: boolean): NameState {
  const lasting = isLocal ? state.lasting : { ...state.lasting, ...values }
  return { ...state, now: { ...state.now, ...values }, lasting }
}

/** No transaction is open, or it has changed nothing: nothing new has to be made of it. */
function isOver({ now, lasting, before, savepoints }: NameState): boolean {
  return now === lasting && lasting === before && savepoints.length === 0
}

/** Of more than these only the latest are known. */
const maxSavepoints = 100

/** The innermost savepoint of a name is meant. */
function indexOf(savepoints: readonly Savepoint[], name: string): number {
  return savepoints.findLastIndex((each) => each.name === name)
}

function valuesOf({ now, lasting }: Savepoint): Pick<NameState, 'now' | 'lasting'> {
  return { now, lasting }
}

/** However the transaction goes on, it brings nothing back. */
export function isSettled({ now, lasting, before, savepoints }: NameState): boolean {
  const isSame = now === lasting && lasting === before
  return isSame && savepoints.every((each) => each.now === now && each.lasting === lasting)
}

/** The transaction has failed: whatever ends it, what was there before comes back. */
export function failed(state: NameState): NameState {
  const { now, lasting, before, savepoints } = state
  if (now === lasting && lasting === before) return state
  return { now: before, lasting: before, before, savepoints }
}

/**
 * Schemas in the order in which names are looked up, `pg_catalog` among them; `undefined` when that is not
 * known. Follows `recomputeNamespacePath`: schemas that are missing, or that the role may not use, are passed over.
 */
export function searchPathOf(
  { path, role, user }: NameValues,
  catalog: Catalog,
  first: FirstNames,
): readonly string[] | undefined {
  const listed = path.kind === 'set' ? path.value : path.kind === 'initial' ? first.path : undefined
  if (!listed) return undefined
  const [found, ...others] = rolesOf(role, user, catalog, first).map((one) => pathOf(listed, one, catalog))
  return others.every((other) => other?.join('\0') === found?.join('\0')) ? found : undefined
}

/** All that it may be. */
function rolesOf(
  role: NameValues['role'],
  user: NameValues['user'],
  catalog: Catalog,
  first: FirstNames,
): readonly string[] {
  const name = role.kind === 'set' ? role.value : first.role
  const isOwn = role.kind === 'set' && name !== 'none'
  if (role.kind === 'unknown' || (user === 'unknown' && !isOwn)) return catalog.roles ?? []
  return [name === 'none' ? catalog.sessionUser : (name ?? catalog.role)]
}

function pathOf(listed: readonly string[], user: string, catalog: Catalog): readonly string[] | undefined {
  const usable = catalog.usableSchemas(user)
  const found = listed
    .map((schema) => (schema === '$user' ? user : schema))
    .filter((schema) => schema === 'pg_temp' || schema === 'pg_catalog' || usable?.has(schema))
  if (!usable) return undefined
  return found.includes('pg_catalog') ? found : ['pg_catalog', ...found]
}

/** Whether a schema can be looked up by its name alone; temporary ones by number are somebody's. */
export function isNamespacePath(schema: string): boolean {
  return isWholeName(schema) && !/^pg_(temp_|toast)/.test(schema)
}

/** NAMEDATALEN: longer identifiers are cut, in bytes. */
const maxNameBytes = 63

/** Whether the server would take a name as it is. */
export function isWholeName(name: string): boolean {
  return name.length <= maxNameBytes && new TextEncoder().encode(name).length <= maxNameBytes
}

/**
 * The schemas in the text of a `search_path` (`SplitIdentifierString`): split at commas, folded to lower case
 * unless quoted. `undefined` for whatever is not plainly that.
 */
export function schemasIn(text: string): readonly string[] | undefined {
  if (/^[ \t\n\r\f\v]*$/.test(text)) return []
  const schemas: string[] = []
  const element = /[ \t\n\r\f\v]*(?:"((?:[^"]|"")+)"|([A-Za-z_$][\w$]*)|"")[ \t\n\r\f\v]*(,|$)/y
  for (;;) {
    const found = element.exec(text)
    if (!found) return undefined
    const name = found[1]?.replaceAll('""', '"') ?? found[2]?.toLowerCase() ?? ''
    if (!isWholeName(name)) return undefined
    schemas.push(name)
    if (found[3] === '') return schemas
  }
}
