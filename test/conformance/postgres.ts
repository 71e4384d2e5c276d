/** What the PostgreSQL door does on every runtime: real clients, the shipped policy, the shop of the demo. */
import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import postgres from 'postgres'
import { protocol32, RawAgent, sslRequest, startup } from '../postgres/raw-agent.ts'
import { runCommand } from '../support/child.ts'
import { errorFields, WireClient } from '../support/wire-client.ts'
import type { House, Replica } from './start-house.ts'

export interface Case {
  readonly name: string
  run(house: House, replica: Replica): Promise<void>
}

export const postgresCases: readonly Case[] = [
  {
    name: 'psql reads with a token in place of a password',
    async run(house, replica) {
      equal(await psql(house, replica, 'backup-agent', 'SELECT count(*) FROM orders'), '400')
    },
  },
  {
    name: "psql's own commands work under a policy that allows reading",
    async run(house, replica) {
      const tables = await psql(house, replica, 'backup-agent', '\\dt')
      match(tables, /customers/)
      match(await psql(house, replica, 'backup-agent', '\\d orders'), /customer_id/)
    },
  },
  {
    name: 'a denial is SQLSTATE 42501 with reason, operation and hint in psql, and the session goes on',
    async run(house, replica) {
      const output = await psql(
        house,
        replica,
        'reporting-agent',
        '\\set VERBOSITY verbose',
        "DELETE FROM orders WHERE status = 'open'",
        'SELECT 1',
      )
      match(output, /ERROR: {2}42501: no rule lets reporting-agent run DELETE on public\.orders/)
      match(output, /DETAIL: {2}Operation [0-9a-f-]{36}\./)
      match(
        output,
        /HINT: .*ask the policy owners for a rule that allows it\. Policy saw you in the group "reporting"\./,
      )
      match(output, /\n1$/)
    },
  },
  {
    name: 'a denial names a table that is nowhere to be found by its own name alone',
    async run(house, replica) {
      const output = await psql(house, replica, 'ci-job', 'SELECT * FROM nosuch')
      match(output, /\bnosuch\b/)
      doesNotMatch(output, /\.nosuch/)
    },
  },
  {
    name: 'node-postgres prepares, binds, streams and recovers from a denial in a transaction',
    async run(house, replica) {
      await using client = await nodePostgres(house, replica, 'reporting-agent')
      const named = { name: 'by-status', text: 'SELECT count(*)::int AS n FROM orders WHERE status = $1' }
      const { rows } = await client.query({ ...named, values: ['open'] })
      deepEqual((await client.query({ ...named, values: ['open'] })).rows, rows)
      ok(rows[0].n > 0)
      await client.query('BEGIN')
      await rejects(client.query('DELETE FROM orders WHERE id = $1', [1]), { code: '42501' })
      await rejects(client.query('SELECT 1'), { code: '25P02' })
      await client.query('ROLLBACK')
      deepEqual((await client.query('SELECT 2 AS two')).rows, [{ two: 2 }])
    },
  },
  {
    name: 'postgres.js pipelines, walks cursors and copies',
    async run(house, replica) {
      const sql = postgres({
        ...replica.postgres,
        database: 'shop',
        user: 'agent',
        password: await house.token('backup-agent'),
        max: 1,
        onnotice() {},
      })
      try {
        const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => sql`SELECT ${n}::int AS n`))
        deepEqual(
          answers.map(([row]) => row?.n),
          Array.from({ length: 50 }, (_, n) => n),
        )
        let walked = 0
        for await (const rows of sql`SELECT id FROM orders ORDER BY id`.cursor(30)) walked += rows.length
        equal(walked, 400)
        const copied = await sql`COPY orders TO STDOUT`.readable()
        let lines = 0
        copied.on('data', (chunk: Buffer) => {
          for (const byte of chunk) if (byte === 10) lines++
        })
        await finished(copied)
        equal(lines, 400)
        await rejects(sql`DELETE FROM orders WHERE id = ${1}`, { code: '42501' })
      } finally {
        await sql.end()
      }
    },
  },
  {
    name: 'psycopg works in text, binary and pipeline mode, with server-side cursors and COPY',
    async run(house, replica) {
      const output = await python(
        house,
        replica,
        'backup-agent',
        `
import psycopg
with psycopg.connect(conninfo, autocommit=True) as c:
    print(c.execute("SELECT %s::int + 1", (41,)).fetchone()[0])
    print(c.cursor(binary=True).execute("SELECT total FROM orders WHERE id = 1").fetchone()[0] > 0)
    with c.pipeline():
        cursors = [c.execute("SELECT %s::int", (n,)) for n in range(20)]
    print(sum(cursor.fetchone()[0] for cursor in cursors))
    with c.transaction(), c.cursor("walk") as walk:
        walk.execute("SELECT id FROM orders ORDER BY id")
        print(len(walk.fetchmany(7)), len(walk.fetchall()))
    with c.cursor().copy("COPY orders TO STDOUT") as copy:
        print(sum(1 for _ in copy.rows()))
    try:
        c.execute("DELETE FROM orders WHERE id = %s", (1,))
    except psycopg.errors.InsufficientPrivilege as e:
        print(e.sqlstate, e.diag.message_primary)
    print(c.execute("SELECT 'still here'").fetchone()[0])
`,
      )
      deepEqual(output.split('\n'), [
        '42',
        'True',
        '190',
        '7 393',
        '400',
        '42501 no rule lets backup-agent run DELETE on public.orders',
        'still here',
      ])
    },
  },
  {
    name: 'psycopg2 works',
    async run(house, replica) {
      const output = await python(
        house,
        replica,
        'reporting-agent',
        `
import psycopg2
c = psycopg2.connect(conninfo)
k = c.cursor()
k.execute("SELECT count(*) FROM orders WHERE status = %s", ("open",))
print(k.fetchone()[0] > 0)
try:
    k.execute("UPDATE orders SET total = 0 WHERE id = 1")
except psycopg2.errors.InsufficientPrivilege as e:
    print(e.pgcode)
c.rollback()
k.execute("SELECT 1")
print(k.fetchone()[0])
`,
      )
      deepEqual(output.split('\n'), ['True', '42501', '1'])
    },
  },
  {
    name: 'an account that may create databases cannot create one through the gateway',
    async run(house, replica) {
      const output = await psql(
        house,
        replica,
        'ci-job',
        { database: 'shop-ci' },
        'CREATE DATABASE mine',
        "INSERT INTO deployments (service, version) VALUES ('web', '1')",
      )
      match(output, /no agent may run CREATE DATABASE/)
      match(output, /INSERT 0 1/)
    },
  },
  {
    name: 'masked columns are masked in text and binary, simple and extended, described or not',
    async run(house, replica) {
      const text = 'SELECT id, email, phone, name FROM customers WHERE id = 1'
      const real = await customer(house, 1)
      const client = await wire(house, replica, 'support-agent')
      const { parse, bind, describe, execute, query, sync } = serialize
      client.send(
        query(text),
        ...[parse({ text }), bind({}), describe({ type: 'P' }), execute({}), sync()],
        ...[parse({ text }), bind({ binary: true }), execute({}), sync()],
        ...[
          parse({ name: 's', text }),
          describe({ type: 'S', name: 's' }),
          sync(),
          bind({ statement: 's', binary: true }),
          execute({}),
          sync(),
        ],
      )
      const received = Buffer.concat((await client.receiveUntilReady(5)).map(({ body }) => body)).toString(
        'latin1',
      )
      client.end()
      equal(received.split(real.name).length - 1, 4)
      equal(received.split('[masked]').length - 1, 4)
      equal(received.includes(real.email), false)
      equal(received.includes(real.phone), false)
    },
  },
  {
    name: 'what detectors find in texts is replaced where the target wants that',
    async run(house, replica) {
      const { email, name } = await customer(house, 3)
      const text = 'SELECT name, email AS found_in_here FROM customers WHERE id = 3'
      const plain = await psql(house, replica, 'reporting-agent', text)
      const searched = await psql(house, replica, 'reporting-agent', { database: 'shop-searched' }, text)
      match(plain, new RegExp(email))
      match(searched, new RegExp(`${name}.*\\[email\\]`))
      equal(searched.includes('@'), false)
    },
  },
  {
    name: 'what would let a masked value out by another way is hidden, or denied with the reason',
    async run(house, replica) {
      const { email } = await customer(house, 1)
      const hidden = [
        'SELECT upper(email) FROM customers',
        'SELECT x.e FROM (SELECT email AS e FROM customers) x',
        'WITH x AS (SELECT * FROM customers) SELECT * FROM x',
        'SELECT max(email) FROM customers',
      ]
      for (const way of hidden) {
        const output = await psql(house, replica, 'support-agent', way)
        match(output, /\[masked\]|\*{8}/, way)
        equal(output.toLowerCase().includes(email.toLowerCase()), false, way)
      }
      // No type but text has a word in place of a value.
      for (const way of ['SELECT c FROM customers c', 'SELECT row_to_json(c) FROM customers c']) {
        const output = await psql(house, replica, 'support-agent', way)
        equal(/ERROR/.test(output) || output.includes(email), false, way)
      }
      const ways = [
        "SELECT id FROM customers WHERE email LIKE 'a%'",
        'SELECT id FROM customers ORDER BY email',
        'SELECT email FROM customers UNION SELECT name FROM customers',
        "SELECT query_to_xml('SELECT email FROM customers', true, false, '')",
        'COPY customers TO STDOUT',
        'SELECT string_agg(email, $$,$$) FROM customers',
      ]
      for (const way of ways) {
        const output = await psql(house, replica, 'support-agent', way)
        match(output, /ERROR: /, way)
        equal(output.includes(email), false, way)
      }
    },
  },
  {
    name: 'a statement under review waits, and runs once a person has approved it; nobody approves their own',
    async run(house, replica) {
      await using agent = await held(house, replica, 'DELETE FROM carts WHERE id = 1')
      const own = await vote(replica, agent.approval, 'approve', await house.token('cleanup-agent'))
      equal(own.status, 403)
      match(
        await house.sluice(['approvals', 'list'], { SLUICE_TOKEN: await house.token('dana') }),
        /DELETE FROM carts WHERE id = 1/,
      )
      await house.sluice(['approvals', 'approve', agent.approval], {
        SLUICE_TOKEN: await house.token('dana'),
      })
      deepEqual(
        (await agent.client.receiveUntilReady()).map(({ type }) => type),
        ['C', 'Z'],
      )
    },
  },
  {
    name: 'a rejected statement is denied with what the reviewer said, and its rows stay',
    async run(house, replica) {
      await using agent = await held(house, replica, 'DELETE FROM carts WHERE id = 2')
      await house.sluice(['approvals', 'reject', agent.approval, '--comment', 'not today'], {
        SLUICE_TOKEN: await house.token('dana'),
      })
      const [error] = await agent.client.receiveUntilReady()
      const fields = errorFields(error!.body)
      equal(fields.C, '42501')
      match(String(fields.M), /not today/)
      equal((await direct(house, 'SELECT * FROM carts WHERE id = 2')).length, 1)
    },
  },
  {
    name: 'tokens that are expired, for others, or no tokens get nowhere, and the reason is told',
    async run(house, replica) {
      const expired = await house.token('backup-agent', { expiresIn: 1 })
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      const foreign = await house.idp.token({ client: 'backup-agent', audience: 'somebody-else' })
      const tampered = `${(await house.token('backup-agent')).slice(0, -8)}AAAAAAAA`
      for (const [token, why] of [
        [expired, /expired/],
        [foreign, /audience|aud/],
        [tampered, /signature/],
        ['no token', /token/],
      ] as const) {
        await rejects(connect(replica, token), (error: Error) => {
          match(error.message, /^28000 /)
          match(error.message, why)
          equal(error.message.includes(token), false)
          return true
        })
      }
    },
  },
  {
    name: 'a session ends with its token',
    async run(house, replica) {
      const client = await connect(replica, await house.token('backup-agent', { expiresIn: 2 }))
      const error = await client.receive()
      equal(errorFields(error.body).C, '28000')
    },
  },
  {
    name: 'TLS begins by a request or at once, and what is wrong inside it is told inside it',
    async run(house, replica) {
      const { ca } = house
      const password = serialize.password(await house.token('backup-agent'))
      const asked = await RawAgent.connect(replica.postgres)
      asked.send(sslRequest)
      equal(await asked.letter(), 'S')
      await asked.startTls({ ca })
      const direct = await RawAgent.direct(replica.postgres, { ca, alpn: 'postgresql' })
      for (const agent of [asked, direct]) {
        agent.send(startup({ user: 'agent', database: 'shop' }, protocol32))
        equal((await agent.message()).type, 'R')
        agent.send(password)
        const key = (await agent.messagesUntil('Z')).find(({ type }) => type === 'K')
        equal(key?.body.length, 4 + 32)
        agent.send(serialize.query('SELECT count(*) FROM orders'))
        equal((await agent.messagesUntil('Z')).map(({ type }) => type).join(''), 'TDCZ')
        agent.destroy()
      }

      const nameless = await RawAgent.direct(replica.postgres, { ca })
      match(String((await nameless.error()).M), /without the protocol "postgresql"/)
      await rejects(RawAgent.direct(replica.postgres, { ca, alpn: 'http/1.1' }))
      const twice = await RawAgent.direct(replica.postgres, { ca, alpn: 'postgresql' })
      twice.send(sslRequest)
      equal((await twice.error()).C, '08P01')
      const gone = await RawAgent.connect(replica.postgres)
      gone.send(Uint8Array.of(0x16, 3, 1, 0, 40, 1, 0))
      gone.end()
      await gone.rest()
      for (const agent of [nameless, twice, gone]) agent.destroy()
    },
  },
  {
    name: 'a cancelled statement ends, and the session goes on',
    async run(house, replica) {
      await using client = await nodePostgres(house, replica, 'backup-agent')
      const slow = client.query('SELECT count(*) FROM generate_series(1, 2000000000)')
      const cancelling = setInterval(() => void cancel(replica, client.key), 200)
      await rejects(slow, { code: '57014' })
      clearInterval(cancelling)
      deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
    },
  },
  {
    name: 'the recordings verify, and hold no token, password or masked value; neither does the log',
    async run(house, replica) {
      const token = await house.token('support-agent')
      await using client = await nodePostgres(house, replica, 'support-agent', token)
      const { rows } = await client.query('SELECT email, phone FROM customers WHERE id = $1', [2])
      match(rows[0].email, /\*/)
      await client.end()
      const real = await customer(house, 2)
      const shown = await house.sluice(['sessions', 'verify', '--all'])
      match(shown, /intact|ok|✓/i)
      const bytes = [replica.gateway.logs()]
      for (const name of replica.folder ? await readdir(replica.folder) : []) {
        if (name.startsWith('sluice.db'))
          bytes.push(await readFile(join(replica.folder ?? '', name), 'latin1'))
      }
      const secrets = [...house.secrets, token, token.split('.')[2] ?? '', real.email, real.phone]
      for (const secret of secrets) {
        equal(
          bytes.some((one) => one.includes(secret)),
          false,
          `leaked: ${secret.slice(0, 4)}…`,
        )
      }
    },
  },
  {
    name: 'a gigabyte streams through in flat memory',
    async run(house, replica) {
      await psql(house, replica, 'backup-agent', 'SELECT 1')
      const before = await residentBytes(replica)
      const peak = watchMemory(replica)
      const size = await psql(
        house,
        replica,
        'backup-agent',
        '\\o | wc -c >&2',
        "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)",
      )
      ok(Number(size.match(/\d{9,}/)?.[0]) >= 1_000_000_000, size.slice(0, 200))
      const grown = (await peak.stop()) - before
      ok(grown < memoryBound, `grew by ${Math.round(grown / 1024 / 1024)} MiB`)
    },
  },
  {
    name: 'an agent that does not read makes the target wait, not the gateway grow',
    async run(house, replica) {
      const before = await residentBytes(replica)
      const client = await wire(house, replica, 'backup-agent')
      client.send(serialize.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
      await client.receiveUntil('D')
      const peak = watchMemory(replica)
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      client.destroy()
      const grown = (await peak.stop()) - before
      ok(grown < memoryBound, `grew by ${Math.round(grown / 1024 / 1024)} MiB`)
    },
  },
]

/** What the garbage of a busy runtime may add; a gateway that buffered results would add a gigabyte. */
const memoryBound = 160 * 1024 * 1024

async function psql(
  house: House,
  replica: Replica,
  agent: string,
  ...commands: (string | { database: string })[]
): Promise<string> {
  const options = commands.find((one) => typeof one === 'object')
  const texts = commands.filter((one) => typeof one === 'string')
  const { host, port } = replica.postgres
  const conninfo = `host=${host} port=${port} dbname=${options?.database ?? 'shop'} user=${agent} sslmode=disable`
  const script = `psql -X -At '${conninfo}' ${texts.map((text) => `-c ${quoted(text)}`).join(' ')} 2>&1 || true`
  const output = await runCommand('sh', ['-c', script], {
    env: { ...process.env, PGPASSWORD: await house.token(agent) },
  })
  return output.trim()
}

async function python(house: House, replica: Replica, agent: string, script: string): Promise<string> {
  const { host, port } = replica.postgres
  const conninfo = `host=${host} port=${port} dbname=shop user=${agent} sslmode=disable`
  const env = { ...process.env, PGPASSWORD: await house.token(agent) }
  return (
    await runCommand('/usr/bin/python3', ['-c', `conninfo = ${JSON.stringify(conninfo)}\n${script}`], { env })
  ).trim()
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

async function nodePostgres(house: House, replica: Replica, agent: string, token?: string) {
  const client = new pg.Client({
    ...replica.postgres,
    database: 'shop',
    user: agent,
    password: token ?? (await house.token(agent)),
  })
  await client.connect()
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const key = Buffer.alloc(8)
  key.writeInt32BE(processID)
  key.writeInt32BE(secretKey, 4)
  return Object.assign(client, { key, [Symbol.asyncDispose]: () => client.end() })
}

async function wire(house: House, replica: Replica, agent: string): Promise<WireClient> {
  return connect(replica, await house.token(agent))
}

function connect(replica: Replica, token: string): Promise<WireClient> {
  return WireClient.connect({ ...replica.postgres, user: 'agent', database: 'shop', password: token })
}

async function cancel(replica: Replica, key: Uint8Array): Promise<void> {
  await WireClient.cancel(replica.postgres, key)
}

/** A statement of the cleanup agent that waits for approval. */
async function held(house: House, replica: Replica, text: string) {
  const client = await wire(house, replica, 'cleanup-agent')
  client.send(serialize.query(text))
  const notice = (await client.receiveUntil('N')).at(-1)
  const approval = /approval "([^"]+)"/.exec(errorFields(notice!.body).M ?? '')?.[1] ?? ''
  return { client, approval, [Symbol.asyncDispose]: async () => client.end() }
}

export function vote(
  replica: Replica,
  approval: string,
  what: 'approve' | 'reject',
  token: string,
): Promise<Response> {
  return fetch(`${replica.httpUrl}/api/approvals/${approval}/${what}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  })
}

interface Customer {
  readonly name: string
  readonly email: string
  readonly phone: string
}

/** A customer as the database has them. */
async function customer(house: House, id: number): Promise<Customer> {
  const [found] = await direct<Customer>(house, `SELECT * FROM customers WHERE id = ${id}`)
  if (!found) throw new Error(`Cannot find customer ${id}`)
  return found
}

async function direct<Row extends object>(house: House, text: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: house.databaseUrl })
  await client.connect()
  const { rows } = await client.query<Row>(text)
  await client.end()
  return rows
}

async function residentBytes(replica: Replica): Promise<number> {
  const status = await readFile(`/proc/${replica.gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

/** The highest resident size from now until stopped. */
function watchMemory(replica: Replica): { stop(): Promise<number> } {
  let highest = 0
  const look = async (): Promise<void> => {
    // A gateway that died shows in what the test itself finds.
    highest = Math.max(highest, await residentBytes(replica).catch(() => 0))
  }
  const timer = setInterval(() => void look(), 50)
  return {
    async stop() {
      clearInterval(timer)
      await look()
      return highest
    },
  }
}
