import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** PostgreSQL's grammar, compiled once for the process. In workerd the same module is an import. */
export async function pgQueryWasm(): Promise<WebAssembly.Module> {
  const file = fileURLToPath(import.meta.resolve('libpg-query/wasm/libpg-query.wasm'))
  return WebAssembly.compile(await readFile(file))
}
