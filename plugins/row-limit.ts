/**
 * Ends results that are longer than an agent should read. Not part of the shipped chain: an example of a
 * plugin that you drop in, and a small brake on agents that read whole tables.
 *
 * @example In sluice.yaml, between `approve` and `mask`
 * ```yaml
 * plugins:
 *   - record
 *   - auth
 *   - authorize
 *   - approve
 *   - file: ./plugins/row-limit.ts
 *     options: { rows: 10000 }
 *   - mask
 * ```
 *
 * @module
 */
import { Denied } from '../gateway/errors.ts'
import type { Plugin } from '../gateway/plugin.ts'

export default function rowLimit({ rows: limit }: { readonly rows?: unknown }): Plugin {
  if (typeof limit !== 'number' || !(limit > 0)) {
    throw new Error(
      `Cannot use plugin "row-limit": "rows" must be a number above 0, got ${JSON.stringify(limit)}`,
    )
  }
  return {
    name: 'row-limit',

    async *handle(_context, next) {
      let rows = 0
      for await (const part of next()) {
        if (part.kind === 'data') rows += part.count
        if (rows > limit) {
          throw new Denied('too_large', `Cannot return result: it has more than ${limit} rows`, {
            hint: 'Ask for fewer rows: add a WHERE or a LIMIT.',
          })
        }
        yield part
      }
    },
  }
}
