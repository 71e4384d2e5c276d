/** What psql's own commands ask of the catalogs. @module */
import { runCommand } from '../../support/child.ts'
import type { Place } from '../play.ts'

export const psqlCommands: readonly string[] = [
  ...[
    'd',
    'd+',
    'dt',
    'dt+',
    'di+',
    'dm+',
    'dP+',
    'dv',
    'dm',
    'di',
    'ds',
    'dn',
    'dn+',
    'df',
    'dT',
    'dT+',
    'dD',
    'du',
    'dx',
    'dp',
    'l',
    'l+',
    'dy',
    'dO',
    'dX',
  ],
  ...[
    'd customers',
    'd+ customers',
    'd orders',
    'd+ payments',
    'd payments_2023',
    'd+ hr.employees',
    'd+ contacts',
  ],
  ...[
    'd tickets_open',
    'd returns',
    'd+ customer_cache',
    'd customers_pkey',
    'dT+ tier',
    'sf tax',
    'sv contacts',
    'dt hr.*',
  ],
]

/** @returns what each command shows */
export async function showCommands(place: Place): Promise<readonly string[]> {
  const script = psqlCommands.map((command) => `\\echo ${mark}\n\\${command}\n`).join('')
  const env = {
    ...process.env,
    PGHOST: place.host,
    PGPORT: String(place.port),
    PGUSER: place.user,
    PGPASSWORD: place.password,
    PGDATABASE: place.database,
    PGSSLMODE: 'disable',
    PGCLIENTENCODING: 'UTF8',
  }
  const shown = await runCommand('sh', ['-c', 'printf %s "$0" | psql -X 2>&1', script], { env })
  return shown.split(`${mark}\n`).slice(1)
}

const mark = '-- next --'

/** The same with sizes hidden, whatever room its columns take. */
export function withoutSizes(shown: string): string {
  return shown
    .replaceAll(/\b\d+ (?:bytes|[kM]B)(?= *\|)/g, '[masked]')
    .replaceAll(/-+/g, '-')
    .replaceAll(/ +/g, ' ')
}
