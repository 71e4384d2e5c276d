import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { noFacts } from '../gateway/facts.ts'
import type { SqlOperation } from '../gateway/operation.ts'
import type { EstablishedSession } from '../gateway/plugin.ts'
import { readBundle } from '../gateway/policy/bundle.ts'
import { policy } from '../gateway/policy/policy.ts'
import { alternate, type Samples } from './measurement.ts'

const folder = resolve(import.meta.dirname, '../bundle')

/** The shipped policy, asked in this process about pgbench's statement. @returns microseconds per decision */
export async function decisions(rounds: number): Promise<readonly Samples[]> {
  const bundle = await readBundle(async (name) => new Uint8Array(await readFile(resolve(folder, name))))
  const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const shipped = policy({ bundle, log: silent, now: Date.now })

  const subjects = [
    // What was decided is remembered for a session: another one asks anew.
    { name: 'evaluated', count: 5_000, ask: () => decide({ ...session }) },
    { name: 'remembered', count: 500_000, ask: () => decide(session) },
  ]
  return alternate(subjects, rounds, async ({ count, ask }) => {
    const started = performance.now()
    for (let asked = 0; asked < count; asked++) ask()
    return { value: ((performance.now() - started) * 1000) / count }
  })

  function decide(asking: EstablishedSession): void {
    const { effect } = shipped.decide({ session: asking, operation, approval: undefined })
    if (effect !== 'allow') throw new Error(`Cannot measure decisions: the policy says ${effect}`)
  }
}

function ignore(): void {}

const session: EstablishedSession = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  protocol: 'postgres',
  target: { name: 'shop', kind: 'postgres', labels: {} },
  client: { address: '127.0.0.1', application: 'pgbench', user: 'reporting' },
  startedAt: new Date(0),
  principal: {
    subject: 'reporting-agent',
    issuer: 'http://127.0.0.1:9000',
    groups: ['reporting'],
    claims: { aud: 'sluice', iat: 1_700_000_000, exp: 1_700_003_600 },
    actors: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
  },
}

const text = 'SELECT abalance FROM pgbench_accounts WHERE aid = $1;'

const operation: SqlOperation = {
  id: '01890a5d-ac96-774b-bcce-b302099a8058',
  kind: 'sql',
  action: 'execute',
  text,
  recordedText: text,
  isReadOnly: true,
  mayHoldSecrets: false,
  parameters: [{ format: 'text', value: new TextEncoder().encode('4711') }],
  received: { bytes: 0, digest: () => '' },
  fingerprint: async () => '',
  trace: () => ({ masked: [], apply: (result) => result }),
  facts: {
    ...noFacts,
    status: 'known',
    problems: [],
    statements: 1,
    commands: ['select'],
    relations: [{ schema: 'public', name: 'pgbench_accounts', kind: 'table', access: ['read'] }],
    columns: ['public.pgbench_accounts.abalance', 'public.pgbench_accounts.aid'],
    functions: [],
    settings: [],
    has_where: true,
  },
}
