/** The real clients of the tour: psql and curl where they are installed, else the `pg` driver and fetch. */
import { spawn } from 'node:child_process'
import pg from 'pg'
import { isOnPath } from '../test/support/find-postgres.ts'

export interface SqlLogin {
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
}

/** Runs statements one after another, also after one that failed. `onOutput` gets what the client prints, when it does. */
export type SqlClient = (
  login: SqlLogin,
  statements: readonly string[],
  onOutput: (text: string) => void,
) => Promise<void>

/** Sends a GET with a bearer token. @returns status line and body as the client prints them */
export type HttpClient = (url: string, token: string) => Promise<string>

export interface Clients {
  readonly sql: SqlClient
  readonly http: HttpClient
  /** What they are, for people. */
  readonly names: string
  /** What somebody would type. */
  sqlLine(login: Omit<SqlLogin, 'password'>, statements: readonly string[]): string
  httpLine(url: string): string
}

export function clients(): Clients {
  const hasPsql = isOnPath('psql')
  const hasCurl = isOnPath('curl')
  return {
    sql: hasPsql ? psql : pgDriver,
    http: hasCurl ? curl : fetched,
    names: [
      hasPsql ? 'psql' : 'the pg driver (psql is not installed)',
      hasCurl ? 'curl' : 'fetch (curl is not installed)',
    ].join(' and '),
    sqlLine: ({ port, database, user }, statements) =>
      [
        `${hasPsql ? 'psql' : 'pg'} -h 127.0.0.1 -p ${port} -U ${user} -d ${database}`,
        ...statements.map((sql) => `-c "${sql}"`),
      ].join(' \\\n'),
    httpLine: (url) => (hasCurl ? `curl -i -H "Authorization: Bearer $TOKEN" ${url}` : `fetch ${url}`),
  }
}

const psql: SqlClient = ({ port, database, user, password }, statements, onOutput) =>
  new Promise((resolve, reject) => {
    const args = ['-X', '-h', '127.0.0.1', '-p', String(port), '-U', user, '-d', database]
    const child = spawn('psql', [...args, ...statements.flatMap((sql) => ['-c', sql])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '20' },
    })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onOutput)
    child.once('error', reject).once('close', () => resolve())
  })

const pgDriver: SqlClient = async ({ port, database, user, password }, statements, onOutput) => {
  const types = { getTypeParser: () => (text: string) => text } // shown as they arrive
  const client = new pg.Client({ host: '127.0.0.1', port, database, user, password, types })
  client.on('error', () => {}) // the gateway closes sessions whose token has expired
  client.on('notice', (notice) => onOutput(`NOTICE:  ${notice.message}\n`))
  try {
    await client.connect()
    for (const sql of statements) await client.query(sql).then(printResult, printError)
  } catch (error) {
    printError(error)
  } finally {
    await client.end().catch(() => {})
  }

  function printResult(result: pg.QueryResult): void {
    if (result.fields.length === 0) {
      const count =
        result.rowCount === null ? '' : ` ${result.command === 'INSERT' ? '0 ' : ''}${result.rowCount}`
      onOutput(`${result.command}${count}\n`)
      return
    }
    const names = result.fields.map((field) => field.name)
    const rows = [names, ...result.rows.map((row) => names.map((name) => String(row[name] ?? '')))]
    const widths = names.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
    for (const row of rows)
      onOutput(`${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')}\n`)
    onOutput(`(${result.rows.length} rows)\n`)
  }

  function printError(error: unknown): void {
    const { message, detail, hint } = error as pg.DatabaseError
    onOutput(`ERROR:  ${message}\n${detail ? `DETAIL:  ${detail}\n` : ''}${hint ? `HINT:  ${hint}\n` : ''}`)
  }
}

const curl: HttpClient = (url, token) =>
  new Promise((resolve, reject) => {
    // The header comes from standard input: arguments can be read by every user of the machine.
    const child = spawn('curl', ['-s', '-S', '-i', '-H', '@-', url], { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', reject).once('close', () => resolve(brief(output)))
    child.stdin.end(`Authorization: Bearer ${token}\n`)
  })

const fetched: HttpClient = async (url, token) => {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  return `HTTP/1.1 ${response.status} ${response.statusText}\n${await response.text()}`
}

/** The status line and the body: other headers would only fill the screen. */
function brief(response: string): string {
  const [head = '', ...body] = response.split('\r\n\r\n')
  return `${head.split('\r\n')[0]}\n${body.join('\r\n\r\n')}`
}
