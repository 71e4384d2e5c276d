/** Texts that no mask hides are searched: what detectors find does not come through the door of a real server. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { Allow, Mask } from '../../gateway/decision.ts'
import type { Detector } from '../../gateway/detector.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { recordingStream } from '../../gateway/recordings/session-recording.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { mask } from '../../plugins/mask.ts'
import { record } from '../../plugins/record.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { queryCells } from '../support/query-cells.ts'
import { silentLog } from '../support/silent-log.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type Received, WireClient } from '../support/wire-client.ts'

const mail = 'ada.lovelace@example.com'
const card = '4111 1111 1111 1111'
const note = `write to ${mail}, charge ${card}`
const shown = 'write to [email], charge [card]'

const schema = `
  CREATE DOMAIN remark AS varchar(200);
  CREATE TYPE contact AS (name text, since date, mails text[]);
  CREATE TYPE size AS (width int, height int);
  CREATE TABLE notes (id int PRIMARY KEY, body text, doc jsonb, number int8, UNIQUE (body));
  INSERT INTO notes VALUES (1, '${note}', '{"n": 4111111111111111, "${mail}": ["${note}"]}', 4111111111111111),
    (2, 'nothing in here', '{"a": 1}', 2), (3, NULL, NULL, NULL);
  CREATE VIEW written AS SELECT body FROM notes;
  CREATE TABLE later (body text UNIQUE DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO later VALUES ('${mail}');`

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor
  let direct: WireClient
  let agent: WireClient
  let decision: Allow
  const asked: Detector[] = ['email', 'card', 'iban', 'phone', 'secret']

  beforeAll(async () => {
    server = await startPostgres({ version })
    direct = await WireClient.connect(server)
    await ask(direct, schema)
    decision = deciding(asked)
    door = await startDoor(server, { decide: () => decision, plugins: [mask({ key: 'key' })] })
    agent = await door.connect()
  })
  afterAll(async () => {
    agent?.end()
    direct?.end()
    await door?.close()
    await server?.stop()
  })

  describe.each([false, true])('in binary: %s', (binary) => {
    test.each<readonly [type: string, value: string, expected: string]>([
      ...['text', 'varchar(80)', 'char(80)', 'remark'].map((type) => [type, note, shown] as const),
      ['name', `see ${mail}`, 'see [email]'],
      [
        'text[]',
        `{"${note}",NULL,plain,"a \\"quoted\\" ${mail}"}`,
        `{"${shown}",NULL,plain,"a \\"quoted\\" [email]"}`,
      ],
      ['text[]', `[2:3]={x,${mail}}`, '[2:3]={x,[email]}'],
      ['contact', `("${note}",2026-01-02,"{${mail},x}")`, `("${shown}",2026-01-02,"{[email],x}")`],
      ['contact[]', `{"(${mail},,)","(plain,2026-01-02,{})"}`, '{"([email],,)","(plain,2026-01-02,{})"}'],
      ['json', `{"a" : "${note}", "b":[1, "x"]}`, `{"a" : "${shown}", "b":[1, "x"]}`],
      ['json', '{"a":"ada\\u0040example.com"}', '{"a":"[email]"}'],
      ['jsonb', `{"${mail}": {"deep": ["${mail}"]}}`, '{"[email]": {"deep": ["[email]"]}}'],
      ['json[]', `{"{\\"a\\":\\"${mail}\\"}"}`, '{"{\\"a\\":\\"[email]\\"}"}'],
    ])('what is found in %s is replaced, the rest stays: %s', async (type, value, expected) => {
      const text = (given: string) => `SELECT $$${given}$$::${type}`

      const [[cell] = []] = await queryCells(agent, text(value), { binary })

      const [[wanted] = []] = await queryCells(direct, text(expected), { binary })
      expect(cell?.toString().trimEnd()).toBe(wanted?.toString().trimEnd())
    })

    test.each([
      ['xml', `<a>${mail}</a>`],
      ['tsvector', `'${mail}':1`],
      ['jsonpath', `$."${mail}"`],
    ])('a finding in a type that is more than its text leaves nothing: %s', async (type, value) => {
      const cells = await queryCells(agent, `SELECT $$${value}$$::${type}`, { binary })

      expect(cells).toEqual([[undefined]])
    })

    test.each([
      ['int8', '4111111111111111'],
      ['numeric', '4111111111111111'],
      ['int8range', '[4111111111111111,4111111111111119)'],
      ['bytea', '\\x6164614061626364652e636f6d'],
      ['int8[]', '{4111111111111111}'],
      ['size', '(4,5)'],
      ['timestamptz', '2026-11-24 20:42:05+00'],
      ['uuid', '0f9d5e54-1f8b-4a68-9d9e-0a4f8a1c2b3d'],
      ['text', 'nothing to be found in here, whatever it may be'],
      ['xml', '<a>plain</a>'],
      ['tsvector', "'plain':1"],
      ['text[]', '{}'],
      ['text[]', '{"NULL",null,"a b",""}'],
      ['contact', '("a ""b""",,"{""x y"",z}")'],
      ['jsonb', '{"a": "x \\"y\\" \\u00e9", "b": [1.50, true, null]}'],
    ])('where nothing is found, or searched, every byte stays: %s', async (type, value) => {
      const text = `SELECT $$${value}$$::${type}`

      const cells = await queryCells(agent, text, { binary })

      expect(cells).toEqual(await queryCells(direct, text, { binary }))
    })
  })

  test('rows of tables, cursors, prepared statements and functions are searched alike', async () => {
    const answers = [
      await ask(agent, 'SELECT * FROM notes'),
      await ask(agent, 'BEGIN; DECLARE c CURSOR FOR TABLE written; FETCH ALL FROM c; COMMIT'),
      await ask(agent, 'PREPARE p AS SELECT body FROM written; EXECUTE p'),
      await ask(agent, 'SELECT n FROM notes n'),
      await ask(agent, 'SELECT ROW(body, 1) FROM notes WHERE id = 1'),
      await ask(agent, 'SELECT body FROM notes WHERE id = 1; SELECT doc FROM notes WHERE id = 1'),
      await ask(agent, "SELECT query_to_xml('TABLE notes', true, false, '')"),
      await ask(agent, 'UPDATE notes SET id = id RETURNING *'),
      await ask(agent, "EXPLAIN SELECT * FROM notes WHERE body = 'ada.lovelace@example.com'"),
    ]

    const texts = answers.map(textOf)
    for (const text of texts) expect(text).not.toMatch(/lovelace|1111 1111/)
    expect(texts[0]).toContain(shown)
    expect(texts[0]).toContain('nothing in here')
    expect(texts[0]).toContain('4111111111111111')
  })

  test('a portal that nobody described, and that is fetched in pieces, is searched', async () => {
    agent.send(
      concat([
        serialize.parse({ text: 'SELECT body FROM notes WHERE id < $1 ORDER BY id' }),
        serialize.bind({ values: ['3'] }),
        serialize.execute({ rows: 1 }),
        serialize.execute({ rows: 0 }),
        serialize.sync(),
      ]),
    )

    const answer = await agent.receiveUntilReady()

    expect(answer.map(({ type }) => type).join('')).toBe('12DsDCZ')
    expect(textOf(answer)).toContain(shown)
    expect(textOf(answer)).not.toContain('lovelace')
  })

  test.each([
    ['COPY notes (id, body) TO STDOUT', `1\t${shown}\n`],
    ['COPY notes (id, body) TO STDOUT (FORMAT csv, HEADER)', `1,"${shown}"\n`],
    [
      'COPY (SELECT body, doc FROM notes ORDER BY id) TO STDOUT',
      `${shown}\t{"n": 4111111111111111, "[email]"`,
    ],
    ['COPY notes (body) TO STDOUT (FORMAT binary)', shown],
  ])('%s is searched, and is what COPY would write else', async (text, expected) => {
    const answer = await ask(agent, text)

    const copied = textOf(answer)
    expect(copied).toContain(expected)
    expect(copied).toContain('nothing in here')
    expect(copied).not.toMatch(/lovelace|1111 1111/)
    expect(shapeOf(answer)).toBe(shapeOf(await ask(direct, text)))
  })

  test.each<readonly [text: string, why: string]>([
    ['COPY notes TO STDOUT; SELECT 1', 'other statements stand beside it'],
    ...(version === 18
      ? [
          [
            'CREATE MATERIALIZED VIEW kept AS TABLE notes; COPY kept TO STDOUT',
            'rows are not as described',
          ] as const,
        ]
      : []),
  ])('%s is denied, as its rows cannot be searched', async (text, why) => {
    const answer = await ask(agent, text)

    expect(errorOf(answer)).toMatch(/^42501/)
    expect(errorOf(answer)).toContain(why)
    expect(textOf(answer)).not.toContain('lovelace')
  })

  test('a FunctionCall is denied: nobody knows the type of what it returns', async () => {
    const [[oid] = []] = await queryCells(direct, "SELECT 'upper(text)'::regprocedure::oid::text")
    agent.send(functionCall(Number(oid), mail))

    const answer = await agent.receiveUntilReady()

    expect(errorOf(answer)).toMatch(/^42501.*FunctionCall/)
    expect(textOf(answer).toLowerCase()).not.toContain('lovelace')
  })

  test('errors and notices that quote a value are searched, also those that come with a commit', async () => {
    const texts = [
      'SELECT body::int FROM notes WHERE id = 1',
      `INSERT INTO notes (id, body) SELECT 9, body FROM notes WHERE id = 1`,
      "DO $$ BEGIN RAISE NOTICE '%', (SELECT body FROM notes WHERE id = 1); END $$",
    ]
    const answers: Received[][] = []
    for (const text of texts) answers.push(await ask(agent, text))
    agent.send(
      concat([
        serialize.parse({ text: `INSERT INTO later SELECT body FROM later` }),
        serialize.bind(),
        serialize.execute(),
        serialize.sync(),
      ]),
    )
    answers.push(await agent.receiveUntilReady())

    for (const answer of answers) {
      expect(answer.some(({ type }) => type === 'E' || type === 'N')).toBe(true)
      expect(textOf(answer)).not.toContain('lovelace')
      expect(textOf(answer)).toContain('[email]')
    }
  })

  test('a value that is too long to be searched is hidden, unless nothing can be in it', async () => {
    const long = (word: string) => `SELECT repeat('${word} ', 5000)`

    expect(textOf(await ask(agent, `${long('word')} || '${mail}'`))).toContain('[masked]')
    const [[plain] = []] = await queryCells(agent, long('word'))
    expect(plain?.length).toBe(25_000)
    const cells = await queryCells(
      agent,
      `SELECT to_json(repeat('x@', 150000)), to_json(repeat('x@', 20000))`,
    )
    expect(cells[0]?.map(String)).toEqual(['undefined', '"[masked]"'])
  })

  test('what a mask leaves of a document is searched, and what it hides needs no search', async () => {
    decision = {
      ...deciding(asked),
      masks: [
        column('notes.doc', { json: 'n', with: 'redact' }),
        column('notes.body', { with: 'partial', keep: 3 }),
      ],
    }

    const text = textOf(await ask(agent, 'SELECT doc, body FROM notes WHERE id = 1'))

    decision = deciding(asked)
    expect(text).toContain('{"n": null, "[email]"')
    expect(text).toMatch(/\*{30,}111/)
  })

  test('only those are looked for that were asked for, and without any nothing changes', async () => {
    const [email, none] = [deciding(['email']), deciding(undefined)]
    const answers: string[] = []
    for (decision of [email, none])
      answers.push(textOf(await ask(agent, 'SELECT body FROM notes WHERE id = 1')))
    decision = deciding(asked)

    expect(answers[0]).toContain(`write to [email], charge ${card}`)
    expect(answers[1]).toContain(note)
  })

  test('what was found is in no recording, but that it was found', async () => {
    const store = memoryStore()
    const records = recorder({ store, signer: signer(generatePrivateKey()), now: Date.now, log: silentLog })
    let session = ''
    const recorded = await startDoor(server, {
      decide: (context) => {
        session = context.session.id
        return decision
      },
      plugins: [record({ recorder: records }), mask({ key: 'key', keepsErrorTexts: false })],
    })
    const client = await recorded.connect()
    for (const text of [
      'SELECT body FROM notes',
      'COPY notes (body) TO STDOUT',
      'SELECT body::int FROM notes',
    ])
      await ask(client, text)
    client.end()
    const events = await vi.waitFor(async () => {
      const all = await store.read(recordingStream(session), 0, 100)
      expect(all.at(-1)).toContain('session-closed')
      return all
    })
    await recorded.close()

    const rows = events.map((event) =>
      Buffer.from(JSON.parse(event).excerpt?.base64 ?? '', 'base64').toString(),
    )
    for (const each of [...events, ...rows]) expect(each).not.toMatch(/lovelace|1111 1111/)
    expect(rows.join()).toContain(shown)
    expect(events.join()).toContain('"detectors":["email","card","iban","phone","secret"]')
    expect(events.join()).toContain('"findings":[{"found":"email","column":"body","count":1}')
  })

  test('the operation knows what was found, by column', async () => {
    await ask(agent, `SELECT body AS b, '${mail} ${mail}' AS m FROM notes WHERE id = 1`)

    expect(door.asked.at(-1)?.findings).toEqual([
      { found: 'email', column: 'b', count: 1 },
      { found: 'card', column: 'b', count: 1 },
      { found: 'email', column: 'm', count: 2 },
    ])
  })
})

function deciding(detectors: readonly Detector[] | undefined): Allow {
  return { effect: 'allow', reasons: [], masks: [], detectors }
}

function column(name: string, how: Pick<Mask, 'json'> & { with: 'redact' | 'partial'; keep?: number }): Mask {
  const field = `public.${name}`
  const { json, keep } = how
  const place = { kind: 'column', field, ...(json !== undefined && { json }) } as const
  return how.with === 'redact'
    ? { ...place, with: 'redact' }
    : { ...place, with: 'partial', ...(keep && { keep }) }
}

async function ask(client: WireClient, text: string): Promise<Received[]> {
  client.send(serialize.query(text))
  return await client.receiveUntilReady()
}

function textOf(answer: readonly Received[]): string {
  return answer.map(({ body }) => Buffer.from(body).toString()).join('\n')
}

/** The kinds of its messages; how rows are cut into messages is the sender's affair. */
function shapeOf(answer: readonly Received[]): string {
  return answer
    .map(({ type }) => type)
    .join('')
    .replace(/d+/, 'd')
}

function errorOf(answer: readonly Received[]): string {
  const error = answer.find(({ type }) => type === 'E')
  if (!error) return ''
  const { C, M } = errorFields(error.body)
  return `${C} ${M}`
}

function functionCall(oid: number, argument: string): Uint8Array {
  const value = Buffer.from(argument)
  const body = Buffer.alloc(18 + value.length)
  body.writeInt32BE(oid, 0)
  body.writeInt16BE(0, 4)
  body.writeInt16BE(1, 6)
  body.writeInt32BE(value.length, 8)
  value.copy(body, 12)
  const head = Buffer.from([0x46, 0, 0, 0, 0])
  const whole = Buffer.concat([head, body.subarray(0, 12 + value.length), Buffer.from([0, 0])])
  whole.writeInt32BE(whole.length - 1, 1)
  return whole
}
