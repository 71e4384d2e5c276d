import type { Catalog } from '../../gateway/sql/catalog.ts'
import type { Scope } from '../../gateway/sql/scope.ts'

/** What names mean in a session that has just begun. */
export function scopeOf(catalog: Catalog): Scope {
  return {
    catalog,
    searchPath: catalog.searchPath,
    prepared: () => undefined,
    cursor: () => undefined,
    mayHaveTemporary: false,
    hasUncommittedDdl: false,
    readsAsWritten: true,
  }
}
