/**
 * `npm run demo`: a shop, an identity provider and Sluice in front, then a tour of what agents may do.
 * Afterwards everything stays up to go on by hand; with `--once` it ends after the tour.
 * `--directory DIR` is where the gateway keeps its state (.sluice/demo).
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { clients } from './clients.ts'
import { nextSteps } from './next-steps.ts'
import { type Stage, startStage } from './stage.ts'
import { terminal } from './terminal.ts'
import { tour } from './tour.ts'

const { values: options } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    directory: { type: 'string', default: join(import.meta.dirname, '../.sluice/demo') },
  },
})
const screen = terminal(process.stdout)

let stage: Stage | undefined
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'))
})

try {
  const outcome = await Promise.race([interrupted, play()])
  process.exitCode = outcome === 'failed' ? 1 : 0
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
await stage?.stop()
// A tour that was interrupted has clients under way; nobody waits for them.
process.exit()

async function play(): Promise<'done' | 'failed' | 'interrupted'> {
  screen.title('Sluice: the access gateway for autonomous agents')
  screen.say('Starting PostgreSQL with a shop, its HTTP API, an identity provider and the gateway …')
  stage = await startStage(resolve(options.directory))
  screen.say(`All is up. The agents use ${clients().names}.`)
  const isAsExpected = await tour(stage, screen)
  if (!isAsExpected) return 'failed'
  if (options.once) return 'done'
  nextSteps(stage, screen)
  return interrupted
}
