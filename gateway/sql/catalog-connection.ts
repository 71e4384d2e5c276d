/** A row by column name: booleans, numbers (but int8) and JSON as values, everything else as text. */
export type Row = Readonly<Record<string, unknown>>

/** A connection that a catalog is read over. */
export interface CatalogConnection {
  /**
   * Runs one statement.
   * @throws Error when the target refuses it, is lost, or takes too long; the connection is of no more use then
   */
  query(text: string): Promise<readonly Row[]>
  end(): void
}

/** @throws Error when the target cannot be reached */
export type ConnectCatalog = (signal: AbortSignal) => Promise<CatalogConnection>
