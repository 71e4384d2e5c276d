/** What is no statement is decided all the same: how a session opens, and the fast path to a function. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { Allow, Decision } from '../../gateway/decision.ts'
import type { SqlFacts } from '../../gateway/facts.ts'
import type { Part } from '../../gateway/operation.ts'
import type { Context, Plugin } from '../../gateway/plugin.ts'
import { int32, message } from '../../gateway/postgres/backend.ts'
import { mask } from '../../plugins/mask.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type Received, type WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, sync } = serialize
const allow: Allow = { effect: 'allow', reasons: [], masks: [] }
const deny: Decision = { effect: 'deny', reasons: ['not today'] }

let server: PostgresServer
let door: TestDoor
let opening: Context | undefined
let decideConnect: Decision = allow
let decide: Decision = allow
const passed: Part[] = []

const watching: Plugin = {
  name: 'watching',
  async *handle(_context, next) {
    for await (const part of next()) {
      passed.push(part)
      yield part
    }
  },
}

let isApproving = false
/** Tells the agent that it waits, and says yes. */
const approving: Plugin = {
  name: 'approving',
  async *handle(context, next) {
    if (isApproving) {
      yield { kind: 'notice', message: 'Waiting', detail: 'for ada' }
      await context.approve({ id: 'a1', by: ['ada'], fingerprint: await context.operation.fingerprint() })
    }
    yield* next()
  },
}

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server, {
    decideConnect: (context) => {
      opening = context
      return decideConnect
    },
    decide: () => decide,
    plugins: [approving, watching, mask({ key: 'k' })],
  })
  const client = await door.connect()
  await answer(
    client,
    `CREATE SCHEMA app;
     CREATE TABLE app.things (id int);
     CREATE FUNCTION app.wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM app.things RETURNING 1';`,
  )
  client.end()
})

beforeEach(() => {
  decideConnect = allow
  decide = allow
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

describe('the opening of a session', () => {
  test('is an operation, with the settings that the startup message asks for', async () => {
    const client = await door.connect({
      parameters: {
        options: '-c search_path=app,\\ public --extra-float-digits=2 -cwork_mem=1MB',
        DateStyle: 'German',
        application_name: 'tester',
        client_encoding: 'utf-8',
      },
    })

    expect(opening?.operation).toMatchObject({
      kind: 'sql',
      action: 'connect',
      isReadOnly: true,
      text: 'connect datestyle=German extra_float_digits=2 search_path=app, public work_mem=1MB',
    })
    expect(facts(opening)).toMatchObject({
      status: 'known',
      commands: ['connect'],
      settings: ['datestyle', 'extra_float_digits', 'search_path', 'work_mem'],
      startup: { datestyle: 'German', extra_float_digits: '2', search_path: 'app, public', work_mem: '1MB' },
    })
    expect(await value(client, "SELECT current_setting('search_path') || current_setting('work_mem')")).toBe(
      'app, public1MB',
    )
    expect(await value(client, "SELECT current_setting('DateStyle')")).toMatch(/^German/)
    expect(await value(client, 'SHOW application_name')).toBe('tester')
    client.end()
  })

  test('names are looked up along the path that it began with', async () => {
    const client = await door.connect({ parameters: { options: '-c search_path=app' } })

    await answer(client, 'SELECT * FROM things')

    expect(facts({ operation: door.asked.at(-1)! })).toMatchObject({
      status: 'known',
      relations: [{ schema: 'app', name: 'things' }],
    })
    client.end()
  })

  test('is refused with FATAL, and nobody connects to the target', async () => {
    decideConnect = deny

    await expect(door.connect()).rejects.toThrow(/42501 not today/)
  })

  test('may wait for people, who are asked about its settings', async () => {
    const review = { approvers: ['dba'], quorum: 1, timeout: 60 }
    decideConnect = { ...allow, effect: 'review', review, session: { read_only: true } }
    await expect(door.connect()).rejects.toThrow(/42501 Cannot run operation: it needs an approval/)

    isApproving = true
    const client = await door.connect({ parameters: { work_mem: '1MB' } }).finally(() => {
      isApproving = false
    })

    expect(opening?.approval?.by).toEqual(['ada'])
    expect(await value(client, 'SHOW default_transaction_read_only')).toBe('on')
    client.end()
  })

  test('cannot be for replication, whatever policy says, and policy can tell', async () => {
    await expect(door.connect({ parameters: { replication: 'database' } })).rejects.toThrow(
      /0A000 Cannot start session: replication is not supported/,
    )
    expect(facts(opening)?.commands).toEqual(['connect', 'replication'])

    const client = await door.connect({ parameters: { replication: 'off' } })
    expect(facts(opening)?.commands).toEqual(['connect'])
    client.end()
  })

  test.each([
    [{ options: '-d 5' }, '0A000'],
    [{ options: '-c' }, '0A000'],
    [{ options: '-c search_path' }, '0A000'],
    [{ options: 'search_path=x' }, '0A000'],
    [{ options: '-c options=-csearch_path=x' }, '08P01'],
    [{ options: '-c user=postgres' }, '08P01'],
    [{ options: '-c replication=true' }, '08P01'],
    [{ REPLICATION: 'true' }, '08P01'],
    [{ OPTIONS: '-c search_path=x' }, '08P01'],
    [{ User: 'postgres' }, '08P01'],
    [{ 'a b': 'c' }, '08P01'],
    [{ options: '-c role=postgres' }, '0A000'],
    [{ Role: 'postgres' }, '0A000'],
  ])('is refused where it could mean more than settings: %o', async (parameters, code) => {
    await expect(
      door.connect({ parameters: parameters as unknown as Record<string, string> }),
    ).rejects.toThrow(code)
  })

  test('a password among the settings is not recorded', async () => {
    const client = await door.connect({ parameters: { 'app.password': 'hunter2' } })

    expect(opening?.operation.recordedText).toBe('connect app.password=***')
    client.end()
  })
})

describe('a FunctionCall', () => {
  test('is an operation with the function and the arguments, and its answer passes the chain', async () => {
    const client = await door.connect()
    passed.length = 0

    client.send(call(await oid(client, 'pg_catalog.md5(text)'), 'abc'))
    const received = await client.receiveUntilReady()

    expect(received.map(({ type }) => type).join('')).toBe('VZ')
    expect(new TextDecoder().decode(received[0]!.body.subarray(4))).toBe('900150983cd24fb0d6963f7d28e17f72')
    const asked = door.asked.at(-1)
    expect(asked).toMatchObject({
      action: 'execute',
      text: 'FunctionCall pg_catalog.md5',
      isReadOnly: true,
    })
    const [argument] = asked?.kind === 'sql' ? asked.parameters : []
    expect(new TextDecoder().decode(argument?.value)).toBe('abc')
    expect(facts({ operation: asked! })).toMatchObject({
      status: 'known',
      commands: ['function call'],
      functions: [{ schema: 'pg_catalog', name: 'md5', volatility: 'immutable' }],
    })
    expect(passed.slice(-2)).toMatchObject([
      { kind: 'data', count: 1 },
      { kind: 'end', summary: 'FUNCTION CALL' },
    ])
    client.end()
  })

  test('of a function that does anything is no read', async () => {
    const client = await door.connect()

    client.send(call(await oid(client, 'app.wipe()')))
    await client.receiveUntilReady()

    expect(door.asked.at(-1)?.isReadOnly).toBe(false)
    client.end()
  })

  test('that fails leaves the session as the target says', async () => {
    const client = await door.connect()
    await answer(client, 'BEGIN')

    client.send(call(1), query('SELECT 1'), query('ROLLBACK'), query('SELECT 2'))
    const received = await client.receiveUntilReady(4)

    expect(facts({ operation: door.asked.at(-4)! })).toMatchObject({
      status: 'unresolved',
      problems: ['the called function is not in the catalog'],
    })
    expect(received.map(({ type }) => type).join('')).toBe('EZEZCZTDCZ')
    client.end()
  })

  test('that is denied never reaches the target, and the session goes on', async () => {
    const client = await door.connect()
    const wipe = await oid(client, 'app.wipe()')
    await answer(client, 'INSERT INTO app.things VALUES (1)')
    decide = deny

    client.send(call(wipe))
    const received = await client.receiveUntilReady()

    expect(received.map(({ type }) => type).join('')).toBe('EZ')
    expect(errorFields(received[0]!.body)).toMatchObject({ C: '42501', M: 'not today' })
    decide = allow
    expect(await value(client, 'SELECT count(*) > 0 FROM app.things')).toBe('t')
    client.end()
  })

  test('is denied where columns are masked', async () => {
    const client = await door.connect()
    const md5 = await oid(client, 'pg_catalog.md5(text)')
    decide = { ...allow, masks: [{ kind: 'column', field: 'app.things.id', with: 'redact' }] }

    client.send(call(md5, 'abc'))
    const received = await client.receiveUntilReady()

    expect(errorFields(received[0]!.body)).toMatchObject({ C: '42501', M: /Cannot trace masked columns/ })
    client.end()
  })

  test('in the middle of a pipeline ends the session', async () => {
    const client = await door.connect()

    client.send(parse({ text: 'SELECT 1' }), call(1), sync())
    const error = (await client.receiveUntil('E')).at(-1)

    expect(errorFields(error!.body)).toMatchObject({ S: 'FATAL', C: '08P01' })
  })

  test.each([
    ['a number of arguments that is not true', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)],
    ['a format that there is not', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 7)],
    ['bytes behind its end', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9)],
  ])('with %s ends the session', async (_what, body) => {
    const client = await door.connect()

    client.send(message(0x46, body))
    const error = (await client.receiveUntil('E')).at(-1)

    expect(errorFields(error!.body)).toMatchObject({ S: 'FATAL', C: '08P01' })
  })
})

/** All arguments and the result in text. */
function call(oid: number, ...values: readonly string[]): Uint8Array {
  const encoded = values.map((each) => new TextEncoder().encode(each))
  const lengths = encoded.flatMap((bytes) => [int32(bytes.length), bytes])
  return message(
    0x46,
    concat([int32(oid), Uint8Array.of(0, 0, 0, values.length), ...lengths, Uint8Array.of(0, 0)]),
  )
}

async function oid(client: WireClient, signature: string): Promise<number> {
  return Number(await value(client, `SELECT '${signature}'::regprocedure::oid`))
}

function facts(context: { operation: Context['operation'] } | undefined): SqlFacts | undefined {
  return context?.operation.kind === 'sql' ? context.operation.facts : undefined
}

async function answer(client: WireClient, text: string): Promise<Received[]> {
  client.send(query(text))
  return client.receiveUntilReady()
}

async function value(client: WireClient, text: string): Promise<string | undefined> {
  const row = (await answer(client, text)).find(({ type }) => type === 'D')
  return row && new TextDecoder().decode(row.body.subarray(6))
}
