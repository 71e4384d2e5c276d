/** A mask falls for one statement, once somebody agrees: through the door, with the policy of the examples. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { build } from '../../scripts/bundle.ts'
import { vote } from '../conformance/postgres.ts'
import { type House, type Replica, startHouse } from '../conformance/start-house.ts'
import { compileTimeout, opa, root } from '../policy/compile.ts'
import { errorFields, WireClient } from '../support/wire-client.ts'

let folder: string
let house: House
let replica: Replica
/** The beginning of the first customer's address. */
const email = 'nuno.sato'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-unmasked-'))
  const files = await build(opa, [join(root, 'examples/policies/unmasked-with-approval.rego')])
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  house = await startHouse({
    runtime: 'node',
    store: 'sqlite',
    bundle: folder,
    clients: [{ id: 'priya', secret: 'demo', groups: ['privacy'] }],
  })
  const [first] = house.replicas
  if (!first) throw new Error('no replica')
  replica = first
}, compileTimeout)
afterAll(async () => {
  await house?.stop()
  await rm(folder, { recursive: true, force: true })
})

const plain = 'SELECT name, email, phone FROM customers WHERE id = 1'
const asking = `/* unmask: parcel 4711 came back */ ${plain}`

test('a statement shows masked values until it is approved, and then what is there, once', async () => {
  const agent = await support()

  const masked = await answer(agent, plain)
  const shown = await answer(agent, asking, 'approve')
  const maskedAfter = await answer(agent, plain)
  agent.end()

  for (const each of [masked, maskedAfter]) {
    expect(each).toMatch(/Nuno Sato.*\[masked\]/)
    expect(each).not.toContain(email)
  }
  expect(shown).toContain(email)
  expect(shown).not.toContain('[masked]')
})

test('so does a statement with parameters, as drivers send it; a cursor that was approved is fetched masked', async () => {
  const password = await house.token('support-agent')
  const driver = new pg.Client({ ...replica.postgres, user: 'agent', database: 'shop', password })
  await driver.connect()
  const approving = async (sql: string, values: readonly unknown[] = []) => {
    const noticed = once(driver, 'notice')
    const result = driver.query(sql, [...values])
    const [{ message }] = await noticed
    await vote(replica, approvalIn(message), 'approve', await house.token('priya'))
    return (await result).rows
  }

  const shown = await approving('/* unmask: parcel 7 */ SELECT email FROM customers WHERE id = $1', [1])
  await driver.query('BEGIN')
  await approving('/* unmask: parcel 7 */ DECLARE c CURSOR FOR SELECT email FROM customers ORDER BY id')
  const fetched = await driver.query('FETCH 1 FROM c')
  await driver.end()

  expect(shown).toEqual([{ email: expect.stringContaining(email) }])
  expect(fetched.rows).toEqual([{ email: expect.stringMatching(/^\*+\.com$/) }])
})

test('asked again it waits again; rejected, it shows nothing', async () => {
  const agent = await support()

  const refused = await answer(agent, `${asking} AND true`, 'reject')
  agent.end()

  expect(refused).toMatch(/"priya" rejected approval/)
  expect(refused).not.toContain('Nuno')
})

test('what is approved is that very statement: another text waits for itself', async () => {
  const agent = await support()

  const first = await hold(agent, asking)
  await vote(replica, first, 'approve', await house.token('priya'))
  await agent.receiveUntilReady()
  const other = await hold(agent, `${asking} OR true`)
  agent.end()

  expect(other).not.toBe(first)
})

test('the recording tells who agreed to unmask what, and holds what the agent saw', async () => {
  const agent = await support()
  await answer(agent, plain)
  await answer(agent, asking, 'approve')
  agent.end()

  const told = await newestSession()

  expect(told).toContain('masked: output 2 "email" (partial), public.customers.email')
  expect(told).toContain('needs approval: shows e-mail addresses and phone numbers of customers unmasked')
  expect(told).toMatch(
    /approved by priya\n +unmasked by that: public\.customers\.email, public\.customers\.phone/,
  )
  const [before = '', after = ''] = told.split('approved by priya')
  expect(before).toContain('[masked]')
  expect(before).not.toContain(email)
  expect(after).toContain(email)
})

async function support(): Promise<WireClient> {
  const password = await house.token('support-agent')
  return WireClient.connect({ ...replica.postgres, user: 'agent', database: 'shop', password })
}

/** What comes back, as text; a statement that waits is voted on. */
async function answer(agent: WireClient, sql: string, voted?: 'approve' | 'reject'): Promise<string> {
  if (voted) await vote(replica, await hold(agent, sql), voted, await house.token('priya'))
  else agent.send(serialize.query(sql))
  const received = await agent.receiveUntilReady()
  return received.map(({ body }) => new TextDecoder().decode(body)).join('\n')
}

/** @returns the approval that the statement waits for */
async function hold(agent: WireClient, sql: string): Promise<string> {
  agent.send(serialize.query(sql))
  const notice = (await agent.receiveUntil('N')).at(-1)
  return approvalIn(notice ? (errorFields(notice.body).M ?? '') : '')
}

function approvalIn(notice: string): string {
  return /approval "([^"]+)"/.exec(notice)?.[1] ?? ''
}

async function newestSession(): Promise<string> {
  for (;;) {
    const list = await house.sluice(['sessions', 'list', '-n', '1'])
    if (/not closed/.test(list)) continue
    const [, newest = ''] = list.split('\n')
    return house.sluice(['sessions', 'show', newest.split(' ')[0] ?? ''])
  }
}
