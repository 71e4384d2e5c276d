import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../support/child.ts'
import { contract } from './contract.ts'
import { type Backend, backendNames, backends } from './open-stores.ts'

describe.each(backendNames)('the %s store', (name) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await backends[name]()
  })
  afterAll(() => backend.close())

  test.each(contract)('$name', ({ run }) => run(backend.open))
})

test('the same suite passes on Deno', async () => {
  const suite = fileURLToPath(new URL('deno.ts', import.meta.url))

  const output = await runCommand('deno', ['run', '-A', suite])

  expect(output).toContain(`${contract.length * backendNames.length} passed`)
}, 60_000)
