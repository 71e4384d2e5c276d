/** Plays a script in a session and keeps every byte that comes back. @module */
import pg from 'pg'
import { type Received, WireClient } from '../support/wire-client.ts'
import { frames, type Script, type Step } from './attack.ts'

/** Where a session connects, and as whom. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly password: string
  /** The database behind it as its superuser, without a gateway. */
  readonly administrator: string
}

/** The messages that came back, those of the second session included; `closed` when a session was ended. */
export async function play({ steps, undo }: Script, place: Place): Promise<readonly Received[]> {
  const received: Received[] = []
  const sessions = new Sessions(place, received)
  try {
    for (const step of steps) await sessions.take(step)
  } finally {
    await sessions.end(undo)
  }
  return received
}

class Sessions {
  readonly #place: Place
  readonly #received: Received[]
  #first: WireClient | undefined
  #second: WireClient | undefined
  #administrator: pg.Client | undefined

  constructor(place: Place, received: Received[]) {
    this.#place = place
    this.#received = received
  }

  async take(step: Step): Promise<void> {
    if (typeof step === 'object' && 'elsewhere' in step) {
      const administrator = await this.#elsewhere()
      // What fails here is the script's fault, not something to be seen.
      await administrator.query(step.elsewhere)
    } else if (typeof step === 'object' && 'second' in step) {
      this.#second ??= await WireClient.connect(this.#place)
      await this.#exchange(this.#second, step.second)
    } else {
      this.#first ??= await WireClient.connect(this.#place)
      await this.#exchange(this.#first, step)
    }
  }

  async end(undo: string | undefined): Promise<void> {
    for (const session of [this.#first, this.#second]) await leave(session)
    if (undo !== undefined) await (await this.#elsewhere()).query(undo)
    await this.#administrator?.end()
  }

  async #elsewhere(): Promise<pg.Client> {
    if (this.#administrator) return this.#administrator
    const client = new pg.Client(this.#place.administrator)
    client.on('error', () => {})
    await client.connect()
    this.#administrator = client
    return client
  }

  async #exchange(session: WireClient, step: string | readonly Uint8Array[]): Promise<void> {
    const sent = frames(step)
    session.send(...sent)
    let expected = sent.filter(([type]) => type !== undefined && answered.has(type)).length
    try {
      while (expected > 0) {
        const next = await session.receive()
        this.#received.push(next)
        if (next.type === 'Z') expected--
      }
    } catch {
      this.#received.push({ type: 'closed', body: new Uint8Array(0) })
    }
  }
}

/** Query, Sync and FunctionCall each end in a ReadyForQuery. */
const answered = new Set([0x51, 0x53, 0x46])

/** Waits until the server has let go: what a session holds would be in the way of the next. */
async function leave(session: WireClient | undefined): Promise<void> {
  if (!session) return
  session.end()
  try {
    for (;;) await session.receive()
  } catch {
    // Closed.
  }
}
