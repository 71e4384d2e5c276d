/** What people are told of outputs: which columns flow into them, and which of them are hidden, how and why. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { masks, openShop, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop(18)
})
afterAll(() => shop.stop())

async function hidden(text: string) {
  return shop.analyse(text, await shop.scope()).trace(masks).hidden
}

async function lineage(text: string) {
  return shop.analyse(text, await shop.scope()).lineage()
}

test('a hidden output is told with its place, its name and the masked columns behind it', async () => {
  expect(
    await hidden("SELECT id, email AS mail, upper(email), 'x' || email || secret_limit FROM customers"),
  ).toEqual([
    { output: 2, name: 'mail', columns: ['public.customers.email'], masked: 'redact' },
    { output: 3, name: 'upper', columns: ['public.customers.email'], masked: 'computed' },
    {
      output: 4,
      name: '?column?',
      columns: ['public.customers.email', 'public.customers.secret_limit'],
      masked: 'computed',
    },
  ])
})

test('through views the columns of tables are told, and for another column with the same values the masked one', async () => {
  expect(await hidden('SELECT address FROM mails_again')).toEqual([
    { output: 1, name: 'address', columns: ['public.customers.email'], masked: 'redact' },
  ])
  expect(await hidden('SELECT customer_email FROM contacts')).toEqual([
    {
      output: 1,
      name: 'customer_email',
      columns: ['public.contacts.customer_email'],
      masked: 'redact',
      by: ['public.customers.email'],
    },
  ])
})

test('of several statements it is told which one shows it', async () => {
  expect(await hidden('SELECT id FROM orders; SELECT email FROM customers')).toEqual([
    { statement: 2, output: 1, name: 'email', columns: ['public.customers.email'], masked: 'redact' },
  ])
})

test('of a mask of a part of JSON it is told which part', async () => {
  const statement = shop.analyse('SELECT id, settings FROM accounts', await shop.scope())
  const part = {
    kind: 'column',
    field: 'public.accounts.settings',
    json: 'contact.phone',
    with: 'redact',
  } as const

  expect(statement.trace([part]).hidden).toEqual([
    { output: 2, name: 'settings', columns: ['public.accounts.settings'], masked: 'redact of contact.phone' },
  ])
})

test('where nothing is hidden nothing is told', async () => {
  expect(await hidden('SELECT id, name FROM customers')).toEqual([])
  expect(await hidden('SELECT 1')).toEqual([])
})

test('every output has its lineage, whatever is masked', async () => {
  const sql =
    'SELECT c.id, upper(c.email) AS mail, 1 FROM customers c; SELECT * FROM mails_again; SHOW work_mem'

  expect(await lineage(sql)).toEqual([
    {
      outputs: [
        { name: 'id', columns: ['public.customers.id'], isPlain: true, isOpen: false },
        { name: 'mail', columns: ['public.customers.email'], isPlain: false, isOpen: false },
        { name: '?column?', columns: [], isPlain: false, isOpen: false },
      ],
      problem: undefined,
    },
    {
      outputs: [
        { name: 'id', columns: ['public.customers.id'], isPlain: true, isOpen: false },
        { name: 'address', columns: ['public.customers.email'], isPlain: true, isOpen: false },
      ],
      problem: undefined,
    },
    { outputs: [], problem: undefined },
  ])
})

test('where lineage cannot be told it says why', async () => {
  const [first] = await lineage('SELECT nobody FROM customers')

  expect(first).toMatchObject({ outputs: [], problem: 'column "nobody" is unknown' })
})
