import { setTimeout as sleep } from 'node:timers/promises'
import { ApprovalLog } from '../../gateway/approvals/approval-log.ts'
import { Ledger } from '../../gateway/recordings/ledger.ts'
import { LostSessions } from '../../gateway/recordings/lost-sessions.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { Retention } from '../../gateway/recordings/retention.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { type LedgerVerification, verifyLedger } from '../../gateway/recordings/verify-ledger.ts'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { establishedSession, principal } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'

export const dayMs = 86_400_000

/** What a replica makes of its store, with a clock that tests move; two of them may share a store. */
export interface Records {
  readonly store: DurableStreamStore
  readonly ledger: Ledger
  readonly lost: LostSessions
  /** Records a session with one event of about this size. @returns its id */
  session(options?: { readonly size?: number; readonly isKilled?: boolean }): Promise<string>
  retention(rules: { readonly age?: number; readonly size?: number }): Retention
  /** Ids of the sessions whose recordings are there. */
  sessions(): Promise<readonly string[]>
  verify(): Promise<LedgerVerification>
  at(now: number): void
}

const key = signer(generatePrivateKey())

export function startRecords(begin: number, store: DurableStreamStore = memoryStore()): Records {
  let clock = begin
  const now = (): number => clock
  const log = silentLog
  const ledger = new Ledger({ store, signer: key, now, log })
  return {
    store,
    ledger,
    lost: new LostSessions({ store, ledger, now }),
    async session({ size = 0, isKilled = false } = {}) {
      const session = establishedSession({ principal: principal({ expiresAt: now() + 600_000 }) })
      const recording = recorder({ store, signer: key, now, log, ledger }).open(session)
      const message = 'x'.repeat(size)
      await recording.append({ kind: 'error', operation: 'o', by: 'gateway', code: 'forbidden', message })
      if (!isKilled) await recording.close('ended')
      const kind = isKilled ? 'session-listed' : 'session-ended'
      await written(store, `"kind":"${kind}","session":"${session.id}"`)
      return session.id
    },
    retention: (rules) =>
      new Retention({ store, signer: key, now, log, ...rules, approvals: new ApprovalLog(store, now) }),
    async sessions() {
      const streams = await store.list('recordings', 10_000)
      return streams.map((stream) => stream.slice('recordings/'.length)).reverse()
    },
    verify: () => verifyLedger({ store, publicKeys: [key.publicKey] }),
    at(moment) {
      clock = moment
    },
  }
}

export { key as recordsKey }

/** The ledger is written behind the session's back. */
async function written(store: DurableStreamStore, line: string): Promise<void> {
  for (;;) {
    const [month = ''] = await store.list('ledger', 1)
    if ((await store.read(month, -100, 100)).some((text) => text.includes(line))) return
    await sleep(1)
  }
}
