import { Command, InvalidArgumentError } from 'commander'
import { readConfig } from '../config.ts'
import { keys } from '../config-keys.ts'
import { openStore } from '../config-store.ts'
import {
  type RecordedSession,
  type RecordedSessions,
  recordedSessions,
} from '../recordings/recorded-sessions.ts'
import type { RecordedEvent } from '../recordings/recording-event.ts'
import { unseal } from '../recordings/sealed-event.ts'
import { recordingStream } from '../recordings/session-recording.ts'
import { signer } from '../recordings/signer.ts'
import { type Verification, verify } from '../recordings/verify.ts'
import { type LedgerVerification, verifyLedger } from '../recordings/verify-ledger.ts'
import { DanglingReference, WholeEvents } from '../recordings/whole-events.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { configOption } from './config-option.ts'
import { jsonLine } from './json-line.ts'
import { replayer } from './replay.ts'
import { sessionDocument } from './session-document.ts'
import { table } from './table.ts'
import { CommandError, type Terminal } from './terminal.ts'

interface Opened {
  readonly sessions: RecordedSessions
  readonly store: DurableStreamStore
  /** Public key that recordings are signed with. */
  readonly publicKey: () => Promise<string>
}

const maximumKeyBytes = 16 * 1024
/** More than one store will hold. */
const everySession = 1_000_000

/** `sluice sessions`: reads recordings straight from the store, whether the gateway runs or not. */
export function sessionsCommand(terminal: Terminal): Command {
  const command = new Command('sessions')
    .description('See and verify what was recorded, also while the gateway is down')
    .addHelpText(
      'after',
      `
It reads the store that the configuration names, so it needs that file and the secrets that it names.

Examples:
  sluice sessions list --config sluice.yaml
  sluice sessions list -n 1000 --json | jq -r 'select(.principal.subject == "support-agent").id'
  sluice sessions show 01a20c16-…          who, what was asked, decided and answered
  sluice sessions refused 2026-01-31       who tried to come in on that day, and why not
  sluice sessions verify --all             prove that nothing was changed, and that no session is missing`,
    )

  command
    .command('list')
    .description('The newest sessions')
    .addOption(configOption())
    .option('-n, --limit <count>', 'how many', wholeNumber, 20)
    .option('--json', 'one JSON object a line, for programs')
    .addHelpText('after', '\nThe keys of the JSON are explained in docs/recordings.md.')
    .action((options: { config: string; limit: number; json?: true }) =>
      reading(options.config, async ({ sessions }) => {
        const found = await sessions.list(options.limit)
        const lines = options.json
          ? found.map((session) => jsonLine(sessionDocument(session)))
          : table([heading, ...found.map(summary)])
        for (const line of lines) terminal.print(line)
      }),
    )

  command
    .command('refused')
    .description('Who tried to open a session on a day, and was refused')
    .argument('[day]', 'in UTC, as 2026-01-31', new Date().toISOString().slice(0, 10))
    .addOption(configOption())
    .option('-n, --limit <count>', 'how many', wholeNumber, 100)
    .action((day: string, options: { config: string; limit: number }) =>
      reading(options.config, async ({ sessions }) => {
        const refusals = await sessions.refusals(day, options.limit)
        const rows = refusals.map((refusal) => [
          refusal.at,
          refusal.target,
          refusal.client.address ?? '',
          `${refusal.code}: ${refusal.message}`,
        ])
        for (const line of table([['AT', 'TARGET', 'FROM', 'WHY'], ...rows])) terminal.print(line)
      }),
    )

  command
    .command('show')
    .description('Replay a session: who, what was asked, decided and answered')
    .argument('<id>', 'the session')
    .addOption(configOption())
    .option('--json', 'one JSON object a line, for programs: each event, whole')
    .addHelpText('after', '\nThe keys of the JSON are explained in docs/recordings.md.')
    .action((id: string, options: { config: string; json?: true }) =>
      reading(options.config, async ({ sessions }) => {
        let events = 0
        const replay = replayer()
        const wholeEvents = new WholeEvents()
        for await (const text of sessions.read(id)) {
          events++
          const event = eventOf(text, wholeEvents)
          if (options.json) terminal.print(jsonLine(event))
          else if (event.kind !== 'unreadable') for (const line of replay(event)) terminal.print(line)
          else for (const line of ['', `An event that cannot be read: ${event.message}`]) terminal.print(line)
        }
        if (events === 0) throw new CommandError(`Cannot show session: no session "${id}" was recorded`)
      }),
    )

  command
    .command('verify')
    .description('Prove that recordings were not changed, cut or reordered')
    .argument('[id]', 'the session')
    .option('--all', 'every session, and that none is missing; those that are not closed yet are told apart')
    .option('--key <file...>', 'public keys (PEM) that may have signed, beside the present one')
    .addOption(configOption())
    .addHelpText(
      'after',
      '\nThe exit code is 0 when the session is intact, or, with --all, when none is broken.',
    )
    .action(async (id: string | undefined, options: { config: string; all?: true; key?: string[] }) => {
      if ((id === undefined) === (options.all === undefined)) {
        throw new CommandError('Cannot verify: name one session, or say --all')
      }
      const others = await Promise.all((options.key ?? []).map(readKey))
      const readLedger = async ({ store, publicKey }: Opened) =>
        verifyLedger({ store, publicKeys: [await publicKey(), ...others] })
      // The ledger comes first: what it lists is in a store that is opened after.
      const ledger = await reading(options.config, readLedger)
      const counts = await reading(options.config, (opened) => verifyAll(id, ledger, opened, others))
      for (const finding of ledger.findings) terminal.print(`✗ ledger ${finding}`)
      if (id === undefined) {
        const missing = await reading(options.config, async (opened) =>
          stillMissing(counts.missing, await readLedger(opened), opened),
        )
        for (const session of missing) {
          terminal.print(`✗ ${session}: missing: the ledger lists it, and retention has not removed it`)
        }
        counts.broken += missing.length
        terminal.print(ledgerSummary(ledger, counts.unlisted))
        terminal.print(`${counts.intact} intact, ${counts.open} not closed, ${counts.broken} broken`)
      }
      if (ledger.findings.length > 0 || counts.broken > 0 || (id !== undefined && counts.open > 0)) {
        throw new CommandError('Cannot vouch for every recording')
      }
    })

  return command

  /** Verifies the named session, or each that is there. */
  async function verifyAll(
    id: string | undefined,
    ledger: LedgerVerification,
    { sessions, publicKey }: Opened,
    others: readonly string[],
  ) {
    const publicKeys = [await publicKey(), ...others]
    const ids = id === undefined ? (await sessions.list(everySession)).map((session) => session.id) : [id]
    const counts = { intact: 0, broken: 0, open: 0, unlisted: 0, missing: [] as string[] }
    const missing = new Set(ledger.sessions.keys())
    for (const session of ids) {
      const listed = ledger.sessions.get(session)
      const verification = await verify({
        session,
        events: sessions.read(session),
        publicKeys,
        listed: listed?.isRemoved ? undefined : listed?.ended,
      })
      if (verification.events === 0 && listed?.isRemoved) {
        throw new CommandError(`Cannot verify: session "${session}" was removed by retention`)
      }
      if (verification.events === 0 && id !== undefined && !listed)
        throw new CommandError(`Cannot verify: no session "${id}" was recorded`)
      // Retention may have removed it since the list was made.
      if (verification.events === 0 && id === undefined) continue
      missing.delete(session)
      const verdict = verdictOf(verification)
      counts[verdict]++
      if (!listed) counts.unlisted++
      terminal.print(`${signs[verdict]} ${session}: ${verification.summary}`)
    }
    counts.missing = [...missing].filter((session) => !ledger.sessions.get(session)?.isRemoved)
    return counts
  }

  async function reading<T>(file: string, work: (opened: Opened) => Promise<T>): Promise<T> {
    const config = await readConfig(file, { files: nodeFiles, env: terminal.env })
    const store = await openStore(config.store, nodeFiles)
    try {
      return await work({
        sessions: recordedSessions(store),
        store,
        publicKey: async () => signer((await keys(config, nodeFiles)).signing).publicKey,
      })
    } finally {
      await store.close()
    }
  }
}

/** What stands in place of an event that says nothing. */
interface Unreadable {
  readonly kind: 'unreadable'
  readonly message: string
}

function eventOf(text: string, wholeEvents: WholeEvents): RecordedEvent | Unreadable {
  const event = unseal(text)?.event
  if (!event) return { kind: 'unreadable', message: 'it is none' }
  try {
    return wholeEvents.whole(event)
  } catch (error) {
    if (error instanceof DanglingReference) return { kind: 'unreadable', message: error.message }
    throw error
  }
}

const heading = ['SESSION', 'OPENED', 'AGENT', 'TARGET', 'OPERATIONS', 'END']

function summary({ id, opened, closed }: RecordedSession): string[] {
  return [
    id,
    opened?.at.slice(0, 19).replace('T', ' ') ?? '?',
    opened?.principal.subject ?? '?',
    opened ? `${opened.target.name} (${opened.protocol})` : '?',
    closed ? String(closed.counts.operations) : '',
    closed?.reason ?? 'not closed',
  ]
}

const signs = { intact: '✓', broken: '✗', open: '?' } as const

/** A session that still runs looks like one whose end was cut off: it is told, and not taken for a proof. */
function verdictOf({ isIntact, findings }: Verification): keyof typeof signs {
  if (isIntact) return 'intact'
  return findings.every(({ kind }) => kind === 'open') ? 'open' : 'broken'
}

/** Of sessions that were missing, those that retention has not removed meanwhile. */
async function stillMissing(
  missing: readonly string[],
  { sessions }: LedgerVerification,
  { store }: Opened,
): Promise<readonly string[]> {
  const still: string[] = []
  for (const session of missing) {
    const [first] = await store.read(recordingStream(session), 0, 1)
    if (first === undefined && !sessions.get(session)?.isRemoved) still.push(session)
  }
  return still
}

function ledgerSummary({ sessions }: LedgerVerification, unlisted: number): string {
  const removed = [...sessions.values()].filter(({ isRemoved }) => isRemoved).length
  return `ledger: ${sessions.size} sessions listed, ${removed} of them removed by retention; ${unlisted} not listed`
}

async function readKey(file: string): Promise<string> {
  return new TextDecoder().decode(await nodeFiles.read(file, maximumKeyBytes))
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new InvalidArgumentError('It must be a whole number.')
}
