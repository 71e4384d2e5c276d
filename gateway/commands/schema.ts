import { Command } from 'commander'
import { configJsonSchema } from '../config-schema.ts'
import type { Terminal } from './terminal.ts'

/** `sluice schema`: what `gateway/config.schema.json` is made with. */
export function schemaCommand(terminal: Terminal): Command {
  return new Command('schema')
    .description('Print the JSON Schema of the configuration, for editors')
    .action(() => terminal.print(JSON.stringify(configJsonSchema(), undefined, 2)))
}
