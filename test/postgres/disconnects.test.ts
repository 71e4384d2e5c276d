/** Whoever leaves, however and whenever: nothing stays behind. `SLUICE_DISCONNECTS=1000` tries more of it. */
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { runCommand } from '../support/child.ts'
import { runtimeCommand } from '../support/spawn-gateway.ts'

const count = Number(process.env.SLUICE_DISCONNECTS ?? 300)
const seed = Number(process.env.SLUICE_SEED ?? 1)

for (const [runtime, share] of [
  ['node', 1],
  ['deno', 1 / 3],
] as const) {
  test(`agents and targets that leave in every state leave nothing behind on ${runtime}`, {
    timeout: 600_000,
  }, async () => {
    const [command, ...flags] = runtimeCommand(runtime)
    const script = join(import.meta.dirname, 'disconnects.ts')

    const output = await runCommand(command, [
      ...flags,
      script,
      String(Math.ceil(count * share)),
      String(seed),
    ])

    expect(output).toMatch(/^\d+ disconnects, \d+ sessions, nothing left/)
  })
}
