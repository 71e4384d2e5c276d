import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CrossCheck, crossCheck } from './cross-check.ts'
import { generated } from './generated.ts'
import { modern, parameterised, running, utilities, written } from './written.ts'

/** Any seed will do; a fixed one makes a failure repeatable. */
const seed = Number(process.env.CROSS_CHECK_SEED ?? 7)
const generatedStatements = Number(process.env.CROSS_CHECK_STATEMENTS ?? 1_100)

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let check: CrossCheck

  beforeAll(async () => {
    check = await crossCheck(version)
    for (const text of [
      ...written,
      ...(version >= 17 ? modern : []),
      ...generated(generatedStatements, seed),
    ]) {
      await check.compare(text)
    }
    for (const { text, types } of parameterised) await check.compare(text, types)
    for (const text of [...running, ...utilities]) await check.run(text)
    const file = fileURLToPath(
      new URL(`../../../node_modules/.cache/sluice/cross-check-${version}.txt`, import.meta.url),
    )
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, check.report())
  })
  afterAll(() => check?.close())

  test('at least 1,000 statements are compared, and the written ones are all good SQL', () => {
    const refused = check.refused.filter(({ text }) => written.includes(text) || modern.includes(text))

    expect(refused).toEqual([])
    expect(check.compared).toBeGreaterThan(1_000)
  })

  test('the facts miss no command, relation, column or function that parse analysis finds', () => {
    const lies = check.unexplained.filter(
      ({ side, kind }) => side === 'missing' && kind !== 'locked relation',
    )

    expect(lies).toEqual([])
  })

  test('planning and running touch nothing but what the facts name, and what that leads to', () => {
    expect(check.unexplained.filter(({ kind }) => kind === 'locked relation')).toEqual([])
  })

  test('what PostgreSQL accepts is understood, and what the facts say more has a reason', () => {
    expect(check.unexplained.filter(({ side }) => side === 'extra')).toEqual([])
  })
})
