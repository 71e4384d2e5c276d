/**
 * Random statements: whatever shows or tells of a masked value without a gateway is masked or denied with it.
 * More are tried before lineage is changed: `STATEMENTS=10000 npx vitest run test/adversary/generated.test.ts`.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Arena, startArena } from './arena.ts'
import { corpus } from './corpus.ts'
import { type Contest, openContest } from './generated.ts'

const runs = Number(process.env.STATEMENTS ?? 150)
const seed = Number(process.env.SLUICE_SEED ?? 1)

describe.each([15, 18] as const)('random statements at a PostgreSQL %i', (version) => {
  let arena: Arena
  let contest: Contest

  beforeAll(async () => {
    arena = await startArena(version)
    contest = await openContest(arena)
  }, 120_000)
  afterAll(async () => {
    const { statements, shownDirect, toldDirect, answered, denied, failed } = contest.tally
    console.log(
      `PostgreSQL ${version}: of ${statements} random statements ${shownDirect} show masked values without a gateway and ${toldDirect} tell of them, with it none; ${answered} are answered, ${denied} denied, ${failed} fail`,
    )
    await contest?.close()
    await arena?.stop()
  })

  test.each(corpus)('what once came through does not: $text', async (statement) => {
    expect(await contest.ask(statement)).toBeUndefined()
  })

  test('show and tell nothing of masked values, and many are answered', { timeout: 3_600_000 }, async () => {
    const numbers = fc.array(fc.nat({ max: 839 }), { minLength: 40, maxLength: 240, size: 'max' })

    await fc.assert(
      fc.asyncProperty(numbers, async (each) => {
        expect(await contest.try(each)).toBeUndefined()
      }),
      { numRuns: runs, seed },
    )

    const { statements, shownDirect, answered } = contest.tally
    expect(shownDirect).toBeGreaterThan(statements / 20)
    expect(answered).toBeGreaterThan(statements / 3)
  })
})
