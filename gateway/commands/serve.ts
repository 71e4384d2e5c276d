import { Command } from 'commander'
import { readConfig } from '../config.ts'
import { logger } from '../runtime/logger.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { configOption } from './config-option.ts'
import type { Terminal } from './terminal.ts'

/** `sluice serve`: runs the gateway until a signal, then lets running operations end and closes their recordings. */
export function serveCommand(terminal: Terminal): Command {
  return new Command('serve')
    .description('Run the gateway. SIGTERM or Ctrl-C stops it in order, a second one at once')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  sluice serve --config sluice.yaml')
    .action(async (options: { config: string }) => {
      let interrupt = () => {}
      const interrupted = new Promise<void>((resolve) => {
        interrupt = resolve
      })
      let interruptions = 0
      terminal.onInterrupt(() => (++interruptions === 1 ? interrupt() : terminal.exit(1)))

      const config = await readConfig(options.config, { files: nodeFiles, env: terminal.env })
      const log = logger(config.log)
      const { serve } = await import('../main.ts')
      const gateway = await serve(config, { runtime: await terminal.runtime(), log })
      log.info({ http: gateway.http, postgres: gateway.postgres }, 'Gateway is open')
      await interrupted
      log.info({ drain: config.limits.drain }, 'Gateway is closing')
      await gateway.close()
      log.info({}, 'Gateway is closed')
      terminal.exit(0)
    })
}
