/**
 * Bytes that no client would send, and messages in orders that none would choose. For messages the server itself
 * is the judge: what it answers to the same bytes is what an agent must see.
 *
 * `SLUICE_FUZZ_RUNS=100000 SLUICE_SEED=2` tries more of it.
 */
import { connect } from 'node:net'
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import { int32 } from '../../gateway/postgres/backend.ts'
import { FrameReader } from '../../gateway/postgres/frame-reader.ts'
import { headerBytes } from '../../gateway/postgres/frontend.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { describeError, errorFields, type WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, describe, execute, close, flush, sync, copyData, copyDone, copyFail } = serialize

const runs = Number(process.env.SLUICE_FUZZ_RUNS ?? 900)
const seed = Number(process.env.SLUICE_SEED ?? 1)
const settings = { seed, numRuns: Math.ceil(runs / 3), endOnFailure: process.env.SLUICE_FUZZ_SHRINK !== '1' }
/** What takes longer hangs: nothing that is sent here takes a second. */
const patienceMs = 20_000
const timeout = 60_000 + runs * 200
/** Heap that may be in use more after all runs than after the first ones. */
const growthLimit = 32 * 1024 * 1024

let server: PostgresServer
let door: TestDoor
/** Was there before, and must not notice any of it. */
let witness: WireClient

beforeAll(async () => {
  server = await startPostgres({ auth: 'trust' })
  door = await startDoor(server)
  witness = await door.connect()
  witness.send(query('CREATE TABLE t (n int)'))
  await witness.receiveUntilReady()
})

afterAll(async () => {
  witness.end()
  await door.close()
  await server.stop()
})

test('whatever bytes a connection begins with, it ends, and nobody else notices', { timeout }, async () => {
  const startup = serialize.startup({ user: 'agent', database: 'shop' })
  const request = fc.constantFrom(80877102, 80877103, 80877104, 196608, 196610, 131072, 0)
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    mutated(startup),
    fc
      .tuple(length(), request, fc.uint8Array({ maxLength: 32 }))
      .map(([size, code, rest]) => concat([int32(size ?? 8 + rest.length), int32(code), rest])),
    fc.tuple(request, mutated(startup)).map(([code, rest]) => concat([int32(8), int32(code), rest])),
  )

  await checked(
    fc.asyncProperty(bytes, async (sent) => {
      // Ends for sure once the connection is closed on this side, too.
      await converse(door, { raw: sent })
      await served()
    }),
  )
})

test('a message that is malformed ends its session with 08P01, and nobody else notices', {
  timeout,
}, async () => {
  await checked(
    fc.asyncProperty(malformed(), async (sent) => {
      const answers = await converse(door, { bytes: sent })
      const last = answers.at(-1)

      expect(last?.type).toBe('E')
      expect(errorFields(last?.body ?? nothing)).toMatchObject({ S: 'FATAL', C: '08P01' })
      await served()
    }),
  )
})

test('messages in any order are answered as the server answers them', { timeout }, async () => {
  let cutShort = 0
  let forgot = 0
  await checked(
    fc.asyncProperty(fc.array(message(), { maxLength: 24 }), async (messages) => {
      const bytes = concat([...messages.map(({ bytes }) => bytes), ...ending])
      const [direct, through] = await Promise.all([converse(server, { bytes }), converse(door, { bytes })])
      const [expected, seen] = [direct.map(shown), through.map(shown)]
      const last = through.at(-1)
      const forgotten = seen.findIndex(
        (answer, index) => answer === unknownUnnamed && answer !== expected[index],
      )
      if (last && isOurEnd(last)) {
        // What the gateway cannot follow it ends; up to there it must have said the same.
        cutShort++
        seen.pop()
        expected.length = Math.min(expected.length, seen.length)
      } else if (forgotten >= 0) {
        // The unnamed statement that an error may have spared is taken for lost.
        forgot++
        seen.length = forgotten
        expected.length = forgotten
      }

      expect(seen).toEqual(expected)
      await served()
    }),
  )
  console.log(
    `${settings.numRuns} runs: ${cutShort} ended by the gateway, ${forgot} forgot an unnamed statement`,
  )
})

/** Runs a property, and looks whether memory has grown meanwhile. */
async function checked<T>(property: fc.IAsyncProperty<T>): Promise<void> {
  await fc.assert(property, { ...settings, numRuns: Math.ceil(settings.numRuns / 10) })
  const before = heap()

  await fc.assert(property, { ...settings, seed: seed + 1 })

  expect(heap() - before).toBeLessThan(growthLimit)
}

function heap(): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  return process.memoryUsage().heapUsed
}

/** The gateway still serves the session that was there before. */
async function served(): Promise<void> {
  // It keeps what was asked, which is no memory of the gateway's.
  door.asked.length = 0
  door.logged.length = 0
  witness.send(query('SELECT 1'))
  expect((await witness.receiveUntilReady()).map(({ type }) => type).join('')).toBe('TDCZ')
}

const nothing = new Uint8Array(0)

// ── bytes ──────────────────────────────────────────────────────────────────────────────────────

/** Lengths as they should not be; `undefined` for one that fits. */
function length(): fc.Arbitrary<number | undefined> {
  return fc.oneof(
    fc.constant(undefined),
    fc.constantFrom(-(2 ** 31), -1, 0, 3, 4, 7, 8, 9, 10_000, 10_001, 2 ** 30, 2 ** 31 - 1),
    fc.nat({ max: 100 }),
  )
}

/** Some bytes of a good message changed, cut off or added. */
function mutated(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }))
  return fc
    .tuple(fc.array(change, { maxLength: 3 }), fc.nat({ max: good.length }), fc.uint8Array({ maxLength: 4 }))
    .map(([changes, size, more]) => {
      const bytes = Uint8Array.from(good)
      for (const [at, value] of changes) bytes[at] = value
      return concat([bytes.subarray(0, size), more])
    })
}

const known = [...'BCDEHPQS']

/** One message that cannot be read, behind some that can. */
function malformed(): fc.Arbitrary<Uint8Array> {
  const good = fc.array(
    fc.constantFrom(query('SELECT 1'), sync(), concat([parse({ text: 'SELECT 1' }), sync()])),
    {
      maxLength: 3,
    },
  )
  const tooSmall = fc
    .tuple(fc.constantFrom(...known), fc.integer({ min: -(2 ** 31), max: 3 }))
    .map(([type, size]) => concat([letter(type), int32(size)]))
  const unknown = fc
    .tuple(
      fc.nat({ max: 255 }).filter((type) => !'BCDEFHPQSXcdfp'.includes(String.fromCharCode(type))),
      fc.uint8Array({ maxLength: 20 }),
    )
    .map(([type, body]) => concat([Uint8Array.of(type), int32(4 + body.length), body]))
  // A text without its end, or with something behind it.
  const text = fc
    .uint8Array({ minLength: 1, maxLength: 20 })
    .filter((body) => body.indexOf(0) !== body.length - 1)
    .map((body) => concat([letter('Q'), int32(4 + body.length), body]))
  const trailing = fc
    .tuple(
      fc.constantFrom(
        parse({ text: 'SELECT 1' }),
        bind({}),
        execute({}),
        describe({ type: 'P' }),
        close({ type: 'S' }),
        sync(),
        flush(),
      ),
      fc.uint8Array({ minLength: 1, maxLength: 5 }),
    )
    .map(([frame, more]) => {
      const longer = concat([frame, more])
      longer.set(int32(longer.length - 1), 1)
      return longer
    })
  return fc
    .tuple(good, fc.oneof(tooSmall, unknown, text, trailing))
    .map(([before, bad]) => concat([...before, bad]))
}

function letter(type: string): Uint8Array {
  return Uint8Array.of(type.charCodeAt(0))
}

// ── order ──────────────────────────────────────────────────────────────────────────────────────

interface Message {
  readonly bytes: Uint8Array
  /** For people who read what failed. */
  toString(): string
}

const texts = [
  ...['SELECT 1', 'SELECT $1::int', 'SELECT 1/0', 'SELECT generate_series(1, 5)', '', 'nonsense'],
  ...['SELECT 1; SELECT 2', 'SELECT 1; SELECT 1/0; SELECT 3', 'BEGIN; SELECT 1', 'SELECT * FROM nowhere'],
  ...['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'ROLLBACK TO a', "SET application_name = 'x'"],
  ...[
    'COPY t FROM STDIN',
    'COPY t FROM STDIN; SELECT 1',
    'INSERT INTO t VALUES (1)',
    'SELECT * FROM t LIMIT 0',
  ],
  ...[
    'DECLARE c CURSOR FOR SELECT generate_series(1, 5)',
    'FETCH 2 FROM c',
    'CLOSE c',
    'PREPARE q AS SELECT 1',
  ],
  ...['EXECUTE q', 'DEALLOCATE q', 'COPY (SELECT generate_series(1, 3)) TO STDOUT'],
]
/** Leaves COPY, if it is in one, ends the pipeline, and shows that all was answered. */
const ending = [copyFail('the end'), sync(), query('ROLLBACK'), query("SELECT 'the end'"), serialize.end()]

function message(): fc.Arbitrary<Message> {
  const name = fc.constantFrom('', '', 's')
  const portal = fc.constantFrom('', '', 'p')
  const text = fc.constantFrom(...texts)
  const of = (label: string, bytes: Uint8Array): Message => ({ bytes, toString: () => label })
  const one = (label: string, bytes: Uint8Array): fc.Arbitrary<Message> => fc.constant(of(label, bytes))
  return fc.oneof(
    text.map((it) => of(`Query ${it}`, query(it))),
    fc.tuple(name, text).map(([n, it]) => of(`Parse "${n}" ${it}`, parse({ name: n, text: it }))),
    fc
      .tuple(portal, name, fc.constantFrom([], ['1'], ['x']))
      .map(([p, n, values]) =>
        of(`Bind "${p}" "${n}" ${values}`, bind({ portal: p, statement: n, values: [...values] })),
      ),
    fc
      .tuple(portal, fc.constantFrom(0, 0, 2))
      .map(([p, rows]) => of(`Execute "${p}" ${rows}`, execute({ portal: p, rows }))),
    name.map((n) => of(`Describe S "${n}"`, describe({ type: 'S', name: n }))),
    portal.map((n) => of(`Describe P "${n}"`, describe({ type: 'P', name: n }))),
    name.map((n) => of(`Close S "${n}"`, close({ type: 'S', name: n }))),
    portal.map((n) => of(`Close P "${n}"`, close({ type: 'P', name: n }))),
    fc.constantFrom(0, int4pl).map((oid) => of(`FunctionCall ${oid}`, functionCall(oid))),
    one('Flush', flush()),
    one('Sync', sync()),
    one('Sync', sync()),
    one('CopyData', copyData(Buffer.from('7\n'))),
    one('CopyDone', copyDone()),
    one('CopyFail', copyFail('no')),
  )
}

const int4pl = 177

/** Adds one to one. */
function functionCall(oid: number): Uint8Array {
  const one = concat([int32(1), letter('1')])
  const body = concat([int32(oid), Uint8Array.of(0, 0, 0, 2), one, one, Uint8Array.of(0, 0)])
  return concat([letter('F'), int32(4 + body.length), body])
}

/** What must be the same: errors by their code and words, everything else byte by byte. */
function shown({ type, body }: Answer): string {
  return type === 'E' || type === 'N'
    ? `${type} ${describeError(body)}`
    : `${type} ${Buffer.from(body).toString('hex')}`
}

const unknownUnnamed = 'E 26000 unnamed prepared statement does not exist'

/** Only for what it says the agent should not have sent: an answer that it cannot follow otherwise is its own fault. */
function isOurEnd({ type, body }: Answer): boolean {
  const fields = type === 'E' ? errorFields(body) : {}
  return fields.S === 'FATAL' && fields.C === '08P01' && /^Cannot read message: /.test(fields.M ?? '')
}

// ── talking ────────────────────────────────────────────────────────────────────────────────────

interface Answer {
  readonly type: string
  readonly body: Uint8Array
}

/**
 * Sends bytes and collects answers up to the end. At the very beginning it closes this side behind them; once
 * logged in the other one has to see for itself that it is over.
 */
function converse(
  { host, port }: { readonly host: string; readonly port: number },
  what: { readonly raw: Uint8Array } | { readonly bytes: Uint8Array },
): Promise<Answer[]> {
  return new Promise((resolve, reject) => {
    const frames = new FrameReader()
    const answers: Answer[] = []
    let isLoggedIn = 'raw' in what
    const socket = connect({ host, port, noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`It hangs, after ${answers.map(({ type }) => type).join('')}`))
    }, patienceMs)
    socket.on('connect', () => {
      if ('raw' in what) socket.end(what.raw)
      else
        socket.write(
          serialize.startup({
            user: 'postgres',
            database: host === door.host && port === door.port ? 'shop' : 'postgres',
          }),
        )
    })
    socket.on('data', (chunk: Buffer) => {
      if ('raw' in what) return
      frames.push(chunk)
      for (let frame = frames.next(); frame; frame = frames.next()) {
        const answer = { type: String.fromCharCode(frame[0] ?? 0), body: frame.slice(headerBytes) }
        if (isLoggedIn) answers.push(answer)
        else if (answer.type === 'R' && answer.body[3] === 3) socket.write(serialize.password('a token'))
        else if (answer.type === 'Z') {
          isLoggedIn = true
          socket.write(what.bytes)
        }
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answers)
    })
  })
}
