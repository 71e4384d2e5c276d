/** Random statements against the two databases, by the gateway and without it. @module */
import { bind, describe, execute, parse, query, sync } from '../differential/script.ts'
import { describeError, errorFields, type Received, WireClient } from '../support/wire-client.ts'
import type { Arena } from './arena.ts'
import { secrets } from './company.ts'
import { comparable, finder } from './disguises.ts'
import { type Form, type RandomStatement, randomStatement } from './random-statement.ts'

/** What became of the statements. */
export interface Tally {
  statements: number
  /** Without a gateway a masked value was in the answer. */
  shownDirect: number
  /** Without a gateway the two databases answered differently. */
  toldDirect: number
  answered: number
  denied: number
  failed: number
}

export interface Contest {
  readonly tally: Tally
  /** @returns what is wrong, or nothing */
  ask(statement: RandomStatement): Promise<string | undefined>
  try(numbers: readonly number[]): Promise<string | undefined>
  close(): Promise<void>
}

export async function openContest(arena: Arena): Promise<Contest> {
  const places = [...arena.places('direct', 'owner'), ...arena.places('through', 'owner')]
  let sessions = await Promise.all(places.map((place) => WireClient.connect(place)))
  const tally: Tally = { statements: 0, shownDirect: 0, toldDirect: 0, answered: 0, denied: 0, failed: 0 }
  const [findOne, findOther] = [finder(secrets[0]), finder(secrets[1])]
  await settle()
  return {
    tally,
    try: (numbers) => compare(randomStatement(numbers)),
    ask: compare,
    async close() {
      for (const session of sessions) session.end()
      sessions = []
    },
  }

  async function compare(statement: RandomStatement): Promise<string | undefined> {
    const [direct, otherDirect, through, otherThrough] = await Promise.all(
      sessions.map((session) => answerOf(session, statement)),
    )
    if (!direct || !otherDirect || !through || !otherThrough)
      throw new Error('Cannot ask: a session is missing')
    // How long something takes is not compared.
    if ([direct, otherDirect, through, otherThrough].some(wasCancelled)) return undefined
    tally.statements++
    const isShown = findOne(direct) !== undefined || findOther(otherDirect) !== undefined
    if (isShown) tally.shownDirect++
    if (!isSame(direct, otherDirect)) tally.toldDirect++
    tally[endOf(through)]++
    // What both show, a few digits, is no value of one of them.
    const found = isSame(through, otherThrough) ? undefined : (findOne(through) ?? findOther(otherThrough))
    const isTelling = !isSame(through, otherThrough) && !isReordered(through, otherThrough)
    const problem = found !== undefined ? `shows ${found}` : isTelling ? 'differs' : undefined
    return (
      problem &&
      `${statement.form}: ${statement.text}\n${problem}\n${shown(through)}\n-- other --\n${shown(otherThrough)}`
    )
  }

  async function settle(): Promise<void> {
    for (const session of sessions) {
      session.send(query('SET statement_timeout = 2000'))
      await session.receiveUntilReady()
    }
  }
}

/** In a transaction that is undone. */
async function answerOf(session: WireClient, { form, text }: RandomStatement): Promise<readonly Received[]> {
  session.send(query('BEGIN'), ...wrapped[form](text), query('ROLLBACK'))
  return await session.receiveUntilReady(3)
}

const wrapped: Readonly<Record<Form, (text: string) => readonly Uint8Array[]>> = {
  simple: (text) => [query(text)],
  extended: (text) => [parse({ text }), bind(), describe({ type: 'P', name: '' }), execute({}), sync()],
  binary: (text) => [parse({ text }), bind({ formats: [1] }), execute({}), sync()],
  cursor: (text) => [query(`DECLARE k CURSOR FOR ${text}; FETCH ALL FROM k`)],
  prepared: (text) => [query(`PREPARE k AS ${text}; EXECUTE k; DEALLOCATE k`)],
  copy: (text) => [query(`COPY (${text}) TO STDOUT`)],
  explain: (text) => [query(`EXPLAIN (COSTS off) ${text}`)],
}

function wasCancelled(received: readonly Received[]): boolean {
  return received.some(({ type, body }) => type === 'E' && errorFields(body).C === '57014')
}

function isSame(one: readonly Received[], other: readonly Received[]): boolean {
  return JSON.stringify(comparable(one)) === JSON.stringify(comparable(other))
}

/** The same rows, found by another plan: tables with longer values are larger. */
function isReordered(one: readonly Received[], other: readonly Received[]): boolean {
  const [sorted, otherSorted] = [one, other].map((each) => comparable(each).toSorted().join('\n'))
  return sorted === otherSorted
}

function endOf(received: readonly Received[]): 'answered' | 'denied' | 'failed' {
  const codes = received.flatMap(({ type, body }) => (type === 'E' ? [errorFields(body).C] : []))
  if (codes.includes('42501')) return 'denied'
  return codes.length > 0 ? 'failed' : 'answered'
}

function shown(received: readonly Received[]): string {
  return received
    .map(({ type, body }) =>
      type === 'E' ? `E ${describeError(body)}` : `${type} ${Buffer.from(body).toString('latin1')}`,
    )
    .join('\n')
    .replaceAll(/[^\x20-\x7e\n]+/g, ' ')
    .slice(0, 2_000)
}
