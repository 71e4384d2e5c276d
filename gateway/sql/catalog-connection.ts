/** A connection that a catalog is read over. */
export interface CatalogConnection {
  /**
   * Runs one statement.
   * @returns its rows by column name: booleans, numbers (but int8) and JSON as values, everything else as text
   * @throws Error when the target refuses it, is lost, or takes too long; the connection is of no more use then
   */
  query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  end(): void
}

/** @throws Error when the target cannot be reached */
export type ConnectCatalog = (signal: AbortSignal) => Promise<CatalogConnection>
