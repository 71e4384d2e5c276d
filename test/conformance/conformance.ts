import { afterAll, beforeAll, describe, test } from 'vitest'
import { postgresCases } from './postgres.ts'
import { type House, startHouse } from './start-house.ts'

/** Runs what must hold everywhere against a gateway on one runtime. */
export function conformance(runtime: 'node' | 'deno'): void {
  describe(`a gateway on ${runtime}`, () => {
    let house: House

    beforeAll(async () => {
      house = await startHouse({ runtime, store: 'sqlite' })
    })
    afterAll(() => house.stop())

    for (const { name, run } of postgresCases) {
      test(name, async ({ onTestFailed }) => {
        const [replica] = house.replicas
        if (!replica) throw new Error('Cannot run case: the house has no gateway')
        onTestFailed(() => console.error(replica.gateway.logs().slice(-lastCharacters)))
        await run(house, replica)
      })
    }
  })
}

/** How much of a gateway's log is shown with a failure. */
const lastCharacters = 5_000
