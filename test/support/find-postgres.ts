import { existsSync, globSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const oldest = 15

/**
 * The folder with `initdb` and `postgres` of the newest PostgreSQL (15 or later) that the system has:
 * where Debian puts them, else on the PATH.
 */
export function findPostgres(): string | undefined {
  const debian = globSync('/usr/lib/postgresql/*/bin/postgres')
    .map((file) => ({ folder: dirname(file), version: Number(file.split('/')[4]) }))
    .filter(({ version }) => version >= oldest)
    .toSorted((a, b) => b.version - a.version)
  return debian[0]?.folder ?? pathFolders().find((folder) => existsSync(join(folder, 'initdb')))
}

export function isOnPath(command: string): boolean {
  return pathFolders().some((folder) => existsSync(join(folder, command)))
}

function pathFolders(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
}
