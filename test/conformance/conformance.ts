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
      test(name, () => run(house, house.replicas[0]!))
    }
  })
}
