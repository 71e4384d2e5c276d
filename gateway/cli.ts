#!/usr/bin/env node
/** The `sluice` command: for Node and Deno, with nothing of the gateway but what a command imports. @module */
import { styleText } from 'node:util'
import { Command } from 'commander'
import { approvalsCommand } from './commands/approvals.ts'
import { checkCommand } from './commands/check.ts'
import { explainCommand } from './commands/explain.ts'
import { inWords } from './commands/in-words.ts'
import { schemaCommand } from './commands/schema.ts'
import { serveCommand } from './commands/serve.ts'
import { sessionsCommand } from './commands/sessions.ts'
import { CommandError, type Terminal } from './commands/terminal.ts'
import { tokenCommand } from './commands/token.ts'
import { plainText } from './plain-text.ts'

const terminal: Terminal = {
  env: process.env,
  // Colours only on a terminal, and only if NO_COLOR does not forbid them.
  print: (line, style) =>
    console.log(style ? styleText(style, plainText(line), { stream: process.stdout }) : plainText(line)),
  onInterrupt(listener) {
    process.on('SIGINT', listener)
    process.on('SIGTERM', listener)
  },
  exit: (code) => process.exit(code),
  endWith(code) {
    process.exitCode = code
  },
  workers: async () => ('Deno' in globalThis ? undefined : await import('./runtime/node-workers.ts')),
  runtime: async () =>
    'Deno' in globalThis
      ? (await import('./runtime/deno.ts')).denoRuntime
      : (await import('./runtime/node.ts')).nodeRuntime,
}

const program = new Command('sluice')
  .description('The access gateway for autonomous agents')
  .addCommand(serveCommand(terminal))
  .addCommand(checkCommand(terminal))
  .addCommand(explainCommand(terminal))
  .addCommand(sessionsCommand(terminal))
  .addCommand(approvalsCommand(terminal))
  .addCommand(tokenCommand(terminal))
  .addCommand(schemaCommand(terminal))
  .showHelpAfterError('(add --help for what can be said)')
  .addHelpText(
    'after',
    `
Examples:
  sluice check --config sluice.yaml        try out a configuration
  sluice serve --config sluice.yaml        run the gateway
  sluice explain -t shop -a me "SELECT 1"  what would become of it, and why
  sluice sessions list                     who did what
  sluice sessions verify --all             prove that nobody changed it
  sluice approvals list                    what waits for a human

docs/configuration.md explains the configuration.`,
  )

try {
  await program.parseAsync()
} catch (error) {
  console.error(plainText(inWords(error)))
  process.exitCode = error instanceof CommandError ? error.exitCode : 1
}
