import { createServer, type ServerResponse } from 'node:http'
import pg from 'pg'

export interface ShopApiOptions {
  readonly port: number
  /** What `x-api-key` must hold: the gateway knows it, agents do not. */
  readonly apiKey: string
  readonly databaseUrl: string
}

/** The shop's own HTTP API: `GET /customers`, `/customers/7`, `/orders`, `/orders/7`. */
export async function startShopApi(options: ShopApiOptions): Promise<{ stop(): Promise<void> }> {
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 2 })
  pool.on('error', () => {}) // an idle connection ends when the database is stopped first
  const server = createServer(async (request, response) => {
    if (request.headers['x-api-key'] !== options.apiKey)
      return answer(response, 401, { error: 'API key missing' })
    const [, table, id, ...rest] = new URL(request.url ?? '/', 'http://shop').pathname.split('/')
    const isKnown =
      (table === 'customers' || table === 'orders') && /^\d{0,9}$/.test(id ?? '') && rest.length === 0
    if (request.method !== 'GET' || !isKnown) return answer(response, 404, { error: 'not found' })
    try {
      if (id) {
        const { rows } = await pool.query(`SELECT * FROM ${table} WHERE id = $1`, [id])
        return rows[0] ? answer(response, 200, rows[0]) : answer(response, 404, { error: 'not found' })
      }
      const { rows } = await pool.query(`SELECT * FROM ${table} ORDER BY id LIMIT 20`)
      answer(response, 200, { [table]: rows })
    } catch {
      answer(response, 500, { error: 'the database does not answer' })
    }
  })
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port, '127.0.0.1', resolve),
  )
  return {
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await pool.end()
    },
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
