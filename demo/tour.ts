import { agents } from './agents.ts'
import { type Cast, cast } from './cast.ts'
import type { Stage } from './stage.ts'
import type { Terminal } from './terminal.ts'

/** Plays the demo's eight scenes. @returns whether everything came out as it should */
export async function tour(stage: Stage, terminal: Terminal): Promise<boolean> {
  const actors = cast(stage, terminal)
  const scenes: readonly (readonly [string, Scene])[] = [
    ['The backup agent reads', reads],
    ['The reporting agent tries to delete', isRefused],
    ["The contractor's old CI job tries to create a database", mayLessThanItsAccount],
    ['An expired token gets nowhere', isTooLate],
    ['The support agent looks at customers', seesMasks],
    ['It tries four ways around the masks', findsNoWayAround],
    ['A cleanup waits for a person', waits],
    ['All of it is on record', isOnRecord],
  ]
  for (const [index, [title, scene]] of scenes.entries()) {
    terminal.step(index + 1, title)
    await scene(actors, stage, terminal)
  }
  return actors.isAsExpected()
}

type Scene = (actors: Cast, stage: Stage, terminal: Terminal) => Promise<void>

const reads: Scene = async ({ sql, check }, _, { say }) => {
  say('It has a token from the identity provider and no database password. The token is its password.')
  const output = await sql('backup-agent', [
    'SELECT status, count(*), sum(total) FROM orders GROUP BY status ORDER BY 1',
  ])
  check(/shipped/.test(output), 'Allowed: policy lets the group "backup" read. What it saw is on record.')
}

const isRefused: Scene = async ({ sql, check }) => {
  const output = await sql('reporting-agent', [
    "DELETE FROM orders WHERE status = 'cancelled'",
    "SELECT count(*) FROM orders WHERE status = 'cancelled'",
  ])
  check(
    /ERROR: .*DELETE/.test(output) && !/^DELETE \d/m.test(output) && /^ *[1-9]\d* *$/m.test(output),
    'Refused before it reached the database, which still has every row. The session goes on: the next statement ran.',
  )
}

const mayLessThanItsAccount: Scene = async ({ sql, directSql, check }, { ciPassword }, { say }) => {
  say('Its database account may do that. Straight to PostgreSQL, with the password it had for years:')
  const direct = await directSql('ci_contractor', ciPassword, ['CREATE DATABASE mine', 'DROP DATABASE mine'])
  check(/^CREATE/m.test(direct), 'It can. Now the same account, through Sluice:')

  const denied = await sql('ci-job', ['CREATE DATABASE mine'], { target: 'shop-ci' })
  check(
    /ERROR: /.test(denied) && !/^CREATE/m.test(denied),
    'It cannot: what an account may do is no longer what an agent may do.',
  )

  const note = "INSERT INTO deployments (service, version) VALUES ('web', '3.0.0')"
  const noted = await sql('ci-job', [note], { target: 'shop-ci' })
  check(/^INSERT 0 1/m.test(noted), 'Its real work goes on: noting what it deployed.')
}

const isTooLate: Scene = async ({ sql, check }, { idp }, { say }) => {
  say('The same agent as before, with a token that was good for one second, one second later.')
  const token = await idp.token({ client: 'backup-agent', expiresIn: 1 })
  await untilExpired(token)
  const output = await sql('backup-agent', ['SELECT 1'], { token })
  check(/expired/.test(output) && !/1 row/.test(output), 'No session: nothing it asks for is even looked at.')
}

const seesMasks: Scene = async ({ sql, http, check }, _, { say }) => {
  const rows = await sql('support-agent', [
    'SELECT id, name, email, phone FROM customers ORDER BY id LIMIT 3',
  ])
  check(isMasked(rows), 'Allowed, with e-mails and phones masked on the way back.')

  say('The same rule over HTTP. The API wants a key that the agent does not have; Sluice adds it.')
  const answer = await http('support-agent', '/http/shop-api/customers/1')
  check(/^HTTP\S* 200/.test(answer) && isMasked(answer), 'The same masks, in JSON.')
}

const findsNoWayAround: Scene = async ({ sql, sluice, check }) => {
  const computed = await sql('support-agent', ['SELECT id, upper(email) FROM customers WHERE id = 1'])
  check(
    /\[masked\]/.test(computed) && isHidden(computed),
    'Computed from a masked column, all of it is hidden: a part of it would tell too much.',
  )

  const guessed = await sql('support-agent', ["SELECT id FROM customers WHERE email LIKE 'nuno.%'"])
  check(
    /ERROR: .*WHERE decides by masked column/.test(guessed) && isHidden(guessed),
    'A condition would let it guess an address letter by letter. The error says what to do instead.',
  )

  const sorted = await sql('support-agent', ['SELECT id, name FROM customers ORDER BY email LIMIT 3'])
  check(
    /ERROR: .*ORDER BY sorts by masked column/.test(sorted) && isHidden(sorted),
    'So would the order of the rows.',
  )

  const row = await sql('support-agent', [
    'SELECT id, to_jsonb(c) AS all_of_it FROM customers c WHERE id = 1',
  ])
  check(/1 row/.test(row) && isHidden(row), 'A whole row is hidden when something in it is: NULL, as JSON.')

  const question = 'SELECT c.name, c.email, upper(c.phone) FROM customers c'
  const asked = ['explain', '-t', 'shop', '-a', 'support-agent', '-g', 'support', question]
  const explained = await sluice(asked)
  check(
    /2 of 3 outputs are masked/.test(explained),
    'What would be masked, and why, can be asked for beforehand; nothing runs.',
  )
}

const waits: Scene = async ({ heldSql, sluice, check }, { idp }, { say, output }) => {
  say('Deleting is more than policy gives away. The statement is held until a database administrator agrees.')
  const { rest } = await heldSql('cleanup-agent', ["DELETE FROM carts WHERE updated_at < '2026-01-01'"])

  const dana = await idp.token({ client: 'dana' })
  const pending = await sluice(['approvals', 'list'], dana)
  check(/DELETE FROM carts/.test(pending), 'Dana sees who wants what, where and why, and says yes:')
  const [approval = ''] = /^\S+(?= +pending)/m.exec(pending) ?? []
  await sluice(['approvals', 'approve', approval, '--comment', 'old carts, agreed'], dana)

  say('And where the cleanup agent waits:')
  const result = await rest
  output(result)
  check(/^DELETE \d/m.test(result), 'The statement has run, once. Asked again, it would wait again.')
}

const isOnRecord: Scene = async ({ sluice, check }, stage) => {
  await untilClosed(stage)
  const sessions = await sluice(['sessions', 'list'])
  check(
    agents.every(({ id }) => sessions.includes(id)),
    "Every session, with who it was. The support agent's over HTTP ends a minute after its last request.",
  )

  const refused = await sluice(['sessions', 'refused'])
  check(/expired/.test(refused), 'And who was turned away.')

  const [cleanup = ''] = /^\S+(?=.*cleanup-agent)/m.exec(sessions) ?? []
  const replayed = await sluice(['sessions', 'show', cleanup])
  check(/approved by dana/.test(replayed), 'What was asked, decided, approved and answered.')

  const verified = await sluice(['sessions', 'verify', '--all'])
  check(
    /✓/.test(verified) && !/✗/.test(verified),
    'A chain of hashes with a signed end: any change would show.',
  )
}

function isMasked(output: string): boolean {
  return /Nuno Sato/.test(output) && isHidden(output)
}

/** Nothing of the first customer's address and number is there. */
function isHidden(output: string): boolean {
  return !/nuno\.sato|@|8020926/i.test(output)
}

async function untilExpired(token: string): Promise<void> {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  const { exp } = JSON.parse(payload) as { readonly exp: number }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, exp * 1000 - Date.now()) + 50))
}

/** A recording is closed shortly after its client has left. */
async function untilClosed(stage: Stage): Promise<void> {
  for (let attempt = 1; attempt <= 20; attempt++) {
    const list = await stage.sluice(['sessions', 'list'])
    if (!/\(postgres\).*not closed/.test(list)) return
  }
}
