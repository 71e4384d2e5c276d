import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

/**
 * Opens a database that is there. SQLite would make a new one in place of one that was moved away, and then delete
 * the write-ahead log beside it, with all that is only there (SQLite manual, "Uniform Resource Identifiers", `mode`).
 *
 * @param timeout milliseconds to wait for others who hold a lock
 * @throws Error where there is no file
 */
export function openExisting(path: string, { timeout }: { readonly timeout: number }): DatabaseSync {
  const url = pathToFileURL(path)
  url.searchParams.set('mode', 'rw')
  return new DatabaseSync(url, { timeout })
}
