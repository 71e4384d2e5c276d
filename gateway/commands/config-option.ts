import { Option } from 'commander'

/** Which configuration a command works with. */
export function configOption(): Option {
  return new Option('-c, --config <file>', 'the configuration').default('sluice.yaml').env('SLUICE_CONFIG')
}
