import { Command, InvalidArgumentError } from 'commander'
import { type Config, readConfig } from '../config.ts'
import { collectWhenIdle } from '../runtime/collect-when-idle.ts'
import { logger } from '../runtime/logger.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { configOption } from './config-option.ts'
import { CommandError, type Terminal } from './terminal.ts'

/** `sluice serve`: runs the gateway until a signal, then lets running operations end and closes their recordings. */
export function serveCommand(terminal: Terminal): Command {
  return new Command('serve')
    .description('Run the gateway. SIGTERM or Ctrl-C stops it in order, a second one at once')
    .addOption(configOption())
    .option(
      '-w, --workers <count>',
      'processes that serve behind the same listeners, one for each core',
      wholeNumber,
      1,
    )
    .addHelpText('after', '\nExamples:\n  sluice serve --config sluice.yaml\n  sluice serve --workers 4')
    .action(async (options: { config: string; workers: number }) => {
      const config = await readConfig(options.config, { files: nodeFiles, env: terminal.env })
      if (options.workers === 1) return await serveAlone(config, terminal)
      const workers = await terminal.workers()
      if (!workers) {
        throw new CommandError(
          'Cannot serve with several workers: Deno has no processes that share a listener; run it on Node, or several of it on ports of their own',
        )
      }
      const siblings = workers.siblingsOfWorker()
      if (siblings) await serveAsWorker(config, terminal, siblings)
      else await serveAsParent(config, terminal, workers, options.workers)
    })
}

type NodeWorkers = NonNullable<Awaited<ReturnType<Terminal['workers']>>>

async function serveAlone(config: Config, terminal: Terminal): Promise<void> {
  const interrupted = interruption(terminal)
  const log = logger(config.log)
  const { serve } = await import('../main.ts')
  const gateway = await serve(config, { runtime: await terminal.runtime(), log })
  log.info({ http: gateway.http, postgres: gateway.postgres }, 'Gateway is open')
  collectWhenIdle()
  await interrupted
  log.info({ drain: config.limits.drain }, 'Gateway is closing')
  await gateway.close()
  log.info({}, 'Gateway is closed')
  terminal.exit(0)
}

/** One of several. Signals that reach the whole group are no second one: only the parent ends it at once. */
async function serveAsWorker(
  config: Config,
  terminal: Terminal,
  siblings: InstanceType<NodeWorkers['WorkerSiblings']>,
): Promise<void> {
  const interrupted = Promise.withResolvers<void>()
  terminal.onInterrupt(() => interrupted.resolve())
  const log = logger(config.log).child({ worker: siblings.id })
  const { serve } = await import('../main.ts')
  const gateway = await serve(config, { runtime: await terminal.runtime(), log, siblings }).catch((error) => {
    siblings.leave()
    throw error
  })
  siblings.opened({ http: gateway.http, postgres: gateway.postgres })
  collectWhenIdle()
  await Promise.race([interrupted.promise, siblings.stopped])
  await gateway.close()
  log.info({}, 'Worker is closed')
  terminal.exit(0)
}

/** Serves nothing itself: it starts the others, and ends them. */
async function serveAsParent(
  config: Config,
  terminal: Terminal,
  { Workers }: NodeWorkers,
  count: number,
): Promise<void> {
  const log = logger(config.log)
  const workers = new Workers({ count, log })
  const interrupted = interruption(terminal, () => workers.kill())
  const opened = await Promise.race([workers.start(), interrupted])
  if (opened) log.info({ ...opened, workers: count }, 'Gateway is open')
  await interrupted
  log.info({ drain: config.limits.drain }, 'Gateway is closing')
  await workers.stop()
  log.info({}, 'Gateway is closed')
  terminal.exit(0)
}

/** Resolves at the first signal; the second one ends the process. */
function interruption(terminal: Terminal, beforeExit = () => {}): Promise<void> {
  const interrupted = Promise.withResolvers<void>()
  let interruptions = 0
  terminal.onInterrupt(() => {
    if (++interruptions === 1) return interrupted.resolve()
    beforeExit()
    terminal.exit(1)
  })
  return interrupted.promise
}

const workersLimit = 256

function wholeNumber(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1 || number > workersLimit) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${workersLimit}.`)
  }
  return number
}
