import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { months } from './ledger.ts'
import {
  type LedgerEntry,
  type Marks,
  type MonthBegun,
  type Removed,
  removalStream,
  type SessionEnded,
} from './ledger-entry.ts'
import { linkText, readLink } from './shared-chain.ts'
import { signedBy } from './signer.ts'

export interface VerifyLedgerOptions {
  readonly store: DurableStreamStore
  /** Ed25519 public keys in PEM: those that may have signed. */
  readonly publicKeys: readonly string[]
}

export interface LedgerVerification {
  /** What is wrong with the ledger itself, a sentence each. */
  readonly findings: readonly string[]
  /** Every session that it lists. */
  readonly sessions: ReadonlyMap<string, ListedSession>
}

export interface ListedSession {
  /** How long the recording is at least, and the hash of its last event then; `undefined` while it runs. */
  readonly ended: Pick<SessionEnded, 'how' | 'events' | 'head'> | undefined
  /** Retention has removed it, or is about to. */
  readonly isRemoved: boolean
}

const pageSize = 256
const findingLimit = 100

/** Reads the ledger, and checks that nothing in it was changed, dropped or made up. @throws StoreUnavailable */
export async function verifyLedger({ store, publicKeys }: VerifyLedgerOptions): Promise<LedgerVerification> {
  const findings: string[] = []
  const sessions = new Map<string, ListedSession>()
  const marks = await readMarks()
  for (const stream of await months(store)) {
    for await (const { entry, index } of chain<LedgerEntry>(stream)) {
      const isRemoved =
        stream < marks.recordings.stream ||
        (stream === marks.recordings.stream && index < marks.recordings.offset)
      switch (entry.kind) {
        case 'month-begun':
          await follows(entry)
          break
        case 'ledger-shortened':
          find(`"${stream}" was cut before entry ${index}: a gateway had seen ${entry.seen.count} entries`)
          break
        case 'session-listed':
          if (!sessions.has(entry.session))
            sessions.set(entry.session, { ended: undefined, isRemoved: false })
          break
        case 'session-ended': {
          const known = sessions.get(entry.session)
          // The longer one counts: a session that was taken for lost may have been closed after all.
          const ended = known?.ended && known.ended.events > entry.events ? known.ended : entry
          sessions.set(entry.session, { ended, isRemoved: isRemoved || known?.isRemoved === true })
          break
        }
      }
    }
  }
  return { findings, sessions }

  async function follows({ before: { stream, count, hash } }: MonthBegun): Promise<void> {
    const [text = ''] = await store.read(stream, count - 1, 1)
    if (readLink(text)?.hash !== hash) find(`"${stream}" is not the month that the next one follows`)
  }

  async function readMarks(): Promise<Marks> {
    let marks: Marks = { recordings: { stream: '', offset: 0, total: 0 }, approvals: 0 }
    for await (const { entry } of chain<Removed>(removalStream)) marks = entry.marks
    return marks
  }

  async function* chain<Entry extends object>(stream: string) {
    let previous = '0'.repeat(64)
    for (let offset = 0; ; ) {
      const page = await store.read(stream, offset, pageSize)
      for (const [at, text] of page.entries()) {
        const index = offset + at
        const read = readLink<Entry>(text)
        if (!read) {
          find(`"${stream}": entry ${index} cannot be read`)
          previous = ''
          continue
        }
        const { link: entry, hash } = read
        const isSigned =
          signedBy(publicKeys, linkText(stream, index + 1, hash), entry.signature) !== undefined
        if (hash !== entry.hash) find(`"${stream}": entry ${index} was changed`)
        else if (!isSigned) find(`"${stream}": the signature of entry ${index} is not valid`)
        else if (entry.seq !== index || (previous !== '' && entry.prev !== previous)) {
          find(`"${stream}": entry ${index} does not follow the one before`)
        }
        previous = hash
        yield { entry, index }
      }
      offset += page.length
      if (page.length < pageSize) return
    }
  }

  function find(sentence: string): void {
    if (findings.length < findingLimit) findings.push(sentence)
  }
}
