import pg from 'pg'
import type { Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { allow, startDoor, type TestDoor } from '../postgres/start-door.ts'
import { startPostgres } from '../support/start-postgres.ts'

export interface MaskedDoor extends TestDoor {
  /** Of the server itself, past the gateway. */
  readonly url: string
}

/** A server with these tables, and a door that lets everybody do everything, under masks alone. */
export async function startMaskedDoor(options: {
  readonly version: 15 | 18
  readonly schema: string
  /** Asked for each operation. */
  masks(): readonly Mask[]
}): Promise<MaskedDoor> {
  const { version, schema, masks } = options
  const server = await startPostgres({ version })
  await asOwner(server.url, schema)
  const door = await startDoor(server, {
    decide: () => ({ ...allow, masks: masks() }),
    plugins: [mask({ key: 'key' })],
  })
  return {
    ...door,
    url: server.url,
    async close() {
      await door.close()
      await server.stop()
    },
  }
}

async function asOwner(url: string, text: string): Promise<void> {
  const owner = new pg.Client(url)
  await owner.connect()
  await owner.query(text)
  await owner.end()
}
