import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'
import { cases } from './cases/index.ts'
import { fixture } from './fixture.ts'
import { query } from './script.ts'
import { type Doors, transcript } from './transcript.ts'

/** Runs every case at a server directly, and through a gateway that allows everything: nobody can tell which is which. */
export function differential(version: 15 | 18): void {
  describe(`PostgreSQL ${version} and the gateway in front of it answer alike`, () => {
    let server: PostgresServer
    let door: TestDoor
    let direct: Doors
    let through: Doors

    beforeAll(async () => {
      server = await startPostgres({ version, settings: { max_prepared_transactions: '10' } })
      door = await startDoor(server)
      const client = await connect()
      client.send(query(fixture), query('CREATE TEMP TABLE last ()'), query("SELECT 'last'::regclass::oid"))
      const answer = await client.receiveUntilReady(3)
      const row = answer.find(({ type }) => type === 'D')
      const madeFrom = Number(new TextDecoder().decode(row?.body.subarray(6)))
      client.end()
      direct = {
        open: () => connect(),
        elsewhere: () => connect('elsewhere'),
        address: server,
        madeFrom,
        isServer: true,
      }
      through = {
        ...direct,
        open: () => door.connect({ parameters: { application_name: 'differential' } }),
        address: door,
        isServer: false,
      }
    })

    afterAll(async () => {
      await door.close()
      await server.stop()
    })

    for (const one of cases.filter(({ since = 0 }) => since <= version)) {
      test(one.name, { timeout: 20_000 }, async () => {
        const answers = await transcript(one, through)
        if (one.refused !== undefined) return expect(answers.at(-2)).toContain('"C","08P01"')
        expect(answers).toEqual(await transcript(one, direct))
      })
    }

    function connect(application = 'differential'): Promise<WireClient> {
      const { host, port, user, database, password } = server
      const parameters = { application_name: application }
      return WireClient.connect({ host, port, user, database, password, parameters })
    }
  })
}
