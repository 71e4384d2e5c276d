import { relative } from 'node:path'
import { agents, people } from './agents.ts'
import type { Stage } from './stage.ts'
import type { Terminal } from './terminal.ts'

/** Prints the commands to go on by hand, ready to paste. */
export function nextSteps(stage: Stage, terminal: Terminal): void {
  const { postgresDoor, httpDoor } = stage.ports
  const names = [...agents, ...people].map(({ id }) => id).join(', ')
  const token = (client: string) => `npx sluice token --issuer ${stage.idp.issuer} --client ${client}`

  terminal.title('Everything stays up. Go on by hand, in another terminal:')
  terminal.script([
    `export SLUICE_CONFIG=${relative(process.cwd(), stage.configFile)} SLUICE_URL=http://127.0.0.1:${httpDoor} SLUICE_CLIENT_SECRET=demo`,
    '',
    `# be one of ${names}`,
    `export PGPASSWORD=$(${token('support-agent')})`,
    `psql -h 127.0.0.1 -p ${postgresDoor} -U support-agent -d shop`,
    `curl -H "Authorization: Bearer $PGPASSWORD" $SLUICE_URL/http/shop-api/orders`,
    '',
    '# a cleanup that waits, and dana, who answers',
    `PGPASSWORD=$(${token('cleanup-agent')}) psql -h 127.0.0.1 -p ${postgresDoor} -U cleanup-agent -d shop -c "DELETE FROM carts WHERE id = 7" &`,
    `export SLUICE_TOKEN=$(${token('dana')})`,
    'npx sluice approvals list',
    'npx sluice approvals show APPROVAL',
    'npx sluice approvals approve APPROVAL',
    '',
    '# see what was recorded, replay a session, prove that nobody changed it',
    'npx sluice sessions list',
    'npx sluice sessions show SESSION',
    'npx sluice sessions verify --all',
  ])
  terminal.say(
    'What agents may do is in policies.rego; the gateway runs with the configuration above. Ctrl-C ends it all.',
  )
}
