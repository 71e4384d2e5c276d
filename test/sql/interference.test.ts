import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import { randomQuery } from './random-query.ts'
import { canary, masks, openShop, type Shop } from './shop.ts'

/** Of each version; more when asked for, as `QUERIES=10000 npx vitest run test/sql/interference.test.ts`. */
const queries = Number(process.env.QUERIES ?? 1_000)

/** Other values of masked columns: longer and shorter ones, NULL for a value and a value for NULL, another order. */
const others = `
  UPDATE customers SET
    email = CASE id WHEN 1 THEN 'zz-quite-another-canary' WHEN 3 THEN 'b@canary' END,
    secret_limit = CASE id WHEN 1 THEN 4242421 WHEN 2 THEN 424242 END;
  UPDATE people SET email = 'q canary';
  UPDATE payments SET card_number = 'canary'`

/** Both databases hold the same, in the same order, but for what is masked. */
const more = [
  `INSERT INTO customers (name, email, country, credit, secret_limit) VALUES ('Cy', NULL, 'FR', 3, 424250);
   INSERT INTO people VALUES (5, 'person@canary.example', '1999-01-01')`,
]
const inOrder = [
  `INSERT INTO contacts (customer_email, note) SELECT email, 'n' FROM customers WHERE id = 1`,
  'CLUSTER customers USING customers_pkey',
  'REFRESH MATERIALIZED VIEW customer_cache',
  'VACUUM FULL',
]

describe.each([15, 18] as const)('what is shown of a PostgreSQL %i', (version) => {
  let shop: Shop
  let other: Shop

  beforeAll(async () => {
    const shops = await Promise.all([openShop(version), openShop(version)])
    for (const [index, each] of shops.entries()) {
      const client = await each.direct()
      for (const text of [...more, ...(index === 1 ? [others] : []), ...inOrder]) await client.query(text)
      await client.end()
    }
    ;[shop, other] = shops
  }, 60_000)
  afterAll(() => Promise.all([shop.stop(), other.stop()]))

  test('is the same whatever the masked values are: rows, their number and order, errors', async () => {
    const here = await viewOf(shop)
    const there = await viewOf(other)
    const counts = { shown: 0, hidden: 0, failed: 0, denied: 0 }

    for (let seed = 0; seed < queries; seed++) {
      const text = randomQuery(seed)
      const seen = await here(text)
      counts[seen.kind]++
      if (seen.kind === 'denied') continue
      const seenThere = await there(text)
      expect({ seed, text, ...seenThere }).toEqual({ seed, text, ...seen })
      expect(seen.answer).not.toContain(canary)
    }

    // A gateway that denied everything would be the same for every value as well.
    expect(counts.shown).toBeGreaterThan(queries / 5)
    expect(counts.hidden).toBeGreaterThan(queries / 20)
  }, 600_000)
})

interface Seen {
  readonly kind: 'shown' | 'hidden' | 'failed' | 'denied'
  readonly answer: string
}

/** What an agent sees of a text: in place of a hidden value how it is hidden, and of an error its code. */
async function viewOf(shop: Shop): Promise<(text: string) => Promise<Seen>> {
  const client = await shop.direct()
  const scope = await shop.scope()
  return async (text) => {
    await client.query('BEGIN')
    try {
      const { results } = shop.analyse(text, scope).trace(masks)
      const { fields, rows, rowCount } = await client.query({ text, rowMode: 'array' })
      const hidden = results[0]?.align(
        fields.map(({ name, dataTypeID, tableID, columnID }) => {
          return { name, typeOid: dataTypeID, format: 'text', table: tableID, attribute: columnID } as const
        }),
      )
      const shown = rows.map((row: unknown[]) => row.map((value, index) => hidden?.[index]?.kind ?? value))
      const isHidden = hidden?.some((mask) => mask !== undefined) === true
      return { kind: isHidden ? 'hidden' : 'shown', answer: JSON.stringify([rowCount, shown]) }
    } catch (error) {
      if (error instanceof Denied) return { kind: 'denied', answer: error.message }
      return {
        kind: 'failed',
        answer: String(error instanceof Error && 'code' in error ? error.code : error),
      }
    } finally {
      await client.query('ROLLBACK')
    }
  }
}
