import { type Agent, agents } from './agents.ts'
import { clients } from './clients.ts'
import type { Stage } from './stage.ts'
import type { Terminal } from './terminal.ts'

/** Plays the demo's seven scenes. @returns whether everything came out as it should */
export async function tour(stage: Stage, terminal: Terminal): Promise<boolean> {
  const { sql, http, sqlLine, httpLine } = clients()
  const { postgresDoor, httpDoor, database } = stage.ports
  const results: boolean[] = []

  terminal.step(1, 'The backup agent reads')
  terminal.say(
    'It has a token from the identity provider and no database password. The token is its password.',
  )
  const read = await ask('backup-agent', [
    'SELECT status, count(*), sum(total) FROM orders GROUP BY status ORDER BY 1',
  ])
  verdict(/shipped/.test(read), 'Allowed: policy lets the group "backup" read. What it saw is on record.')

  terminal.step(2, 'The reporting agent tries to delete')
  const refused = await ask('reporting-agent', [
    "DELETE FROM orders WHERE status = 'cancelled'",
    "SELECT count(*) FROM orders WHERE status = 'cancelled'",
  ])
  verdict(
    /ERROR: /.test(refused) &&
      /DELETE/.test(refused) &&
      !/^DELETE \d/m.test(refused) &&
      /\d+\s*\n\(1 row/.test(refused),
    'Refused before it reached the database, which still has every row. The session goes on: the next statement ran.',
  )

  terminal.step(3, "The contractor's old CI job tries to create a database")
  terminal.say(
    'Its database account may do that. Straight to PostgreSQL, with the password it had for years:',
  )
  const login = { port: database, database: 'shop', user: 'ci_contractor' }
  const direct = await client(login, stage.ciPassword, ['CREATE DATABASE mine', 'DROP DATABASE mine'])
  verdict(/^CREATE/m.test(direct), 'It can. Now the same account, through Sluice:')
  const denied = await ask('ci-job', ['CREATE DATABASE mine'], 'shop-ci')
  verdict(
    /ERROR: /.test(denied) && !/^CREATE/m.test(denied),
    'It cannot: what an account may do is no longer what an agent may do.',
  )
  const noted = await ask(
    'ci-job',
    ["INSERT INTO deployments (service, version) VALUES ('web', '3.0.0')"],
    'shop-ci',
  )
  verdict(/INSERT 0 1|INSERT 1/.test(noted), 'Its real work goes on: noting what it deployed.')

  terminal.step(4, 'An expired token gets nowhere')
  const expired = await stage.idp.token({ client: 'backup-agent', expiresIn: 1 })
  await untilExpired(expired)
  const late = await client({ port: postgresDoor, database: 'shop', user: 'backup-agent' }, expired, [
    'SELECT 1',
  ])
  verdict(/expired/.test(late), 'The same agent as before, but its token has run out: no session.')

  terminal.step(5, 'The support agent looks at customers')
  const rows = await ask('support-agent', [
    'SELECT id, name, email, phone FROM customers ORDER BY id LIMIT 3',
  ])
  verdict(
    /Nuno Sato/.test(rows) && !/nuno\.sato|8020926/.test(rows),
    'Allowed, with e-mails and phones masked on the way back.',
  )
  terminal.say('The same rule over HTTP. The API wants a key that the agent does not have; Sluice adds it.')
  const url = `http://127.0.0.1:${httpDoor}/http/shop-api/customers/1`
  terminal.command('support-agent', httpLine(url))
  const answer = await http(url, await stage.idp.token({ client: 'support-agent' }))
  terminal.output(answer)
  verdict(
    /200/.test(answer) && /Nuno Sato/.test(answer) && !/nuno\.sato|8020926/.test(answer),
    'The same masks, in JSON.',
  )

  terminal.step(6, 'A cleanup waits for a person')
  terminal.say(
    'Deleting is more than policy gives away. The statement is held until a database administrator agrees.',
  )
  const asked = Promise.withResolvers<void>()
  const cleanup = ask(
    'cleanup-agent',
    ["DELETE FROM carts WHERE updated_at < '2026-01-01'"],
    'shop',
    (text) => {
      if (text.includes('NOTICE')) asked.resolve()
    },
  )
  await Promise.race([asked.promise, cleanup])
  const dana = { SLUICE_TOKEN: await stage.idp.token({ client: 'dana' }) }
  const pending = await sluice('dana', ['approvals', 'list'], dana)
  const [approval = ''] = /^\S+(?= +pending)/m.exec(pending) ?? []
  verdict(/DELETE FROM carts/.test(pending), 'Dana sees who wants what, where and why, and says yes:')
  await sluice('dana', ['approvals', 'approve', approval, '--comment', 'old carts, agreed'], dana)
  const cleaned = await cleanup
  verdict(
    /^DELETE \d+/m.test(cleaned),
    'The statement that waited has run, once. Asked again, it would wait again.',
  )

  terminal.step(7, 'All of it is on record')
  const sessions = await settledSessions()
  terminal.command('dana', 'npx sluice sessions list')
  terminal.output(sessions)
  verdict(
    agents.every(({ id }) => sessions.includes(id)),
    'Every session, with who it was.',
  )
  const [cleanupSession = ''] = /^\S+(?=.*cleanup-agent)/m.exec(sessions) ?? []
  const replayed = await sluice('dana', ['sessions', 'show', cleanupSession])
  verdict(
    /approved by dana/.test(replayed),
    'What was asked, decided, approved and answered; a mask is a mask here too.',
  )
  const verified = await sluice('dana', ['sessions', 'verify', '--all'])
  verdict(
    /✓/.test(verified) && !/✗/.test(verified),
    'A chain of hashes with a signed end: any change would show.',
  )

  return results.every((isAsExpected) => isAsExpected)

  async function sluice(
    who: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<string> {
    terminal.command(
      who,
      ['npx sluice', ...args.map((word) => (word.includes(' ') ? `"${word}"` : word))].join(' '),
    )
    const output = await stage.sluice(args, env)
    terminal.output(output)
    return output
  }

  /** A recording is closed shortly after its client has left. */
  async function settledSessions(): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const list = await stage.sluice(['sessions', 'list'])
      if (!/\(postgres\).*not closed/.test(list) || attempt === 20) return list
    }
  }

  async function ask(
    agent: Agent,
    statements: readonly string[],
    target = 'shop',
    onOutput?: (text: string) => void,
  ): Promise<string> {
    const token = await stage.idp.token({ client: agent })
    return client({ port: postgresDoor, database: target, user: agent }, token, statements, onOutput)
  }

  async function client(
    login: { readonly port: number; readonly database: string; readonly user: string },
    password: string,
    statements: readonly string[],
    onOutput = (_: string) => {},
  ): Promise<string> {
    terminal.command(login.user, sqlLine(login, statements))
    let output = ''
    await sql({ ...login, password }, statements, (text) => {
      output += text
      terminal.output(text)
      onOutput(text)
    })
    return output
  }

  function verdict(isAsExpected: boolean, text: string): void {
    results.push(isAsExpected)
    terminal.verdict(isAsExpected, isAsExpected ? text : 'This did not come out as it should')
  }
}

async function untilExpired(token: string): Promise<void> {
  const { exp }: { exp: number } = JSON.parse(
    atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')),
  )
  const left = exp * 1000 - Date.now()
  await new Promise((resolve) => setTimeout(resolve, Math.max(left, 0) + 50))
}
