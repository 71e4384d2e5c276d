import type { Agent } from './agents.ts'
import { clients } from './clients.ts'
import type { Stage } from './stage.ts'
import type { Terminal } from './terminal.ts'

/** What the people and agents of the tour can do; all of it is shown on the terminal. */
export interface Cast {
  /** Statements of an agent through Sluice, with a token as the password. @returns what its client printed */
  sql(agent: Agent, statements: readonly string[], options?: SqlOptions): Promise<string>
  /** The same, of an agent that will have to wait: resolves when it has been told so. */
  heldSql(agent: Agent, statements: readonly string[]): Promise<{ readonly rest: Promise<string> }>
  /** Statements straight to the database. */
  directSql(account: string, password: string, statements: readonly string[]): Promise<string>
  http(agent: Agent, path: string): Promise<string>
  /** A `sluice` command; `token` makes it somebody's. */
  sluice(args: readonly string[], token?: string): Promise<string>
  /** Says what a step has shown, if it has. */
  check(isAsExpected: boolean, text: string): void
  /** Whether every check so far was as expected. */
  isAsExpected(): boolean
}

interface SqlOptions {
  readonly target?: string
  readonly token?: string
}

export function cast(stage: Stage, terminal: Terminal): Cast {
  const { sql, http, sqlLine, httpLine } = clients()
  const { postgresDoor, httpDoor, database } = stage.ports
  let isAsExpected = true

  return {
    async sql(agent, statements, { target = 'shop', token } = {}) {
      const password = token ?? (await stage.idp.token({ client: agent }))
      const login = { port: postgresDoor, database: target, user: agent }
      return await shown(login, password, statements)
    },

    async heldSql(agent, statements) {
      const password = await stage.idp.token({ client: agent })
      const login = { port: postgresDoor, database: 'shop', user: agent }
      const { promise: told, resolve: tell } = Promise.withResolvers<void>()
      let isTold = false
      let rest = ''
      terminal.command(agent, sqlLine(login, statements))
      const end = sql({ ...login, password }, statements, (text) => {
        if (isTold) rest += text
        else terminal.output(text)
        isTold ||= text.includes('NOTICE')
        if (isTold) tell()
      })
      await Promise.race([told, end])
      return { rest: end.then(() => rest) }
    },

    directSql: (account, password, statements) =>
      shown({ port: database, database: 'shop', user: account }, password, statements),

    async http(agent, path) {
      const url = `http://127.0.0.1:${httpDoor}${path}`
      terminal.command(agent, httpLine(url))
      const answer = await http(url, await stage.idp.token({ client: agent }))
      terminal.output(answer)
      return answer
    },

    async sluice(args, token) {
      const words = args.map((word) => (word.includes(' ') ? `"${word}"` : word))
      terminal.command('dana', ['npx sluice', ...words].join(' '))
      const output = await stage.sluice(args, token === undefined ? {} : { SLUICE_TOKEN: token })
      terminal.output(output)
      return output
    },

    check(isRight, text) {
      isAsExpected &&= isRight
      terminal.verdict(isRight, isRight ? text : 'This did not come out as it should')
    },

    isAsExpected: () => isAsExpected,
  }

  async function shown(
    login: { readonly port: number; readonly database: string; readonly user: string },
    password: string,
    statements: readonly string[],
  ): Promise<string> {
    terminal.command(login.user, sqlLine(login, statements))
    let output = ''
    await sql({ ...login, password }, statements, (text) => {
      output += text
    })
    terminal.output(output)
    return output
  }
}
