import { backend, message, readErrorFields } from '../../gateway/postgres/backend.ts'
import { type Received, WireClient } from '../support/wire-client.ts'
import { type Case, query, type Step } from './script.ts'

/** Sessions that a case needs: its own, and one at the server itself. */
export interface Doors {
  open(): Promise<WireClient>
  elsewhere(): Promise<WireClient>
  /** Where to send a cancel request. */
  readonly address: { readonly host: string; readonly port: number }
  /** OIDs from here on belong to what the case itself has made. */
  readonly madeFrom: number
  /** The server itself, not the gateway. */
  readonly isServer: boolean
}

/**
 * Every message that a case brings back, in order, and whether the session still works.
 *
 * Compared byte for byte, but for what no two sessions share: the sender's process id in a notification,
 * and the OIDs of what the case itself creates, which are numbered as they come.
 */
export async function transcript(
  { steps, ready, ends = false, refused }: Case,
  doors: Doors,
): Promise<string[]> {
  const client = await doors.open()
  const received: Received[] = []
  let other: WireClient | undefined
  let waiting: Uint8Array[] = []
  const send = (): void => {
    if (waiting.length > 0) client.send(...waiting)
    waiting = []
  }
  const receive = async (): Promise<Received> => {
    const next = await client.receive()
    received.push(next)
    return next
  }
  try {
    for (const step of steps) {
      if (step instanceof Uint8Array) {
        waiting.push(step)
        continue
      }
      send()
      if ('receive' in step) while ((await receive()).type !== step.receive);
      if ('cancel' in step) await WireClient.cancel(doors.address, client.key)
      if ('elsewhere' in step || 'until' in step) other ??= await doors.elsewhere()
      if ('elsewhere' in step) await ask(other, step.elsewhere)
      if ('until' in step) while ((await ask(other, step.until)) !== 't');
    }
    send()
    if (ends || (refused !== undefined && !doors.isServer)) {
      await receiveAll(receive)
      return shown([...received, closed], doors.madeFrom)
    }
    const expected = ready ?? answersTo(steps)
    while (received.filter(({ type }) => type === 'Z').length < expected) await receive()
    client.send(query(probe))
    while ((await receive()).type !== 'Z');
    client.end()
    return shown(received, doors.madeFrom)
  } finally {
    other?.end()
    client.destroy()
  }
}

/** An answer too many or too few shows here. */
const probe = "SELECT 'nothing else came'"

const closed: Received = { type: 'closed', body: new Uint8Array(0) }

async function receiveAll(receive: () => Promise<Received>): Promise<void> {
  try {
    for (;;) await receive()
  } catch {
    // The server closed the connection, as it should.
  }
}

/** @returns the first value of the answer */
async function ask(client: WireClient | undefined, sql: string): Promise<string> {
  if (!client) throw new Error('Cannot run statement elsewhere: no session')
  client.send(query(sql))
  const answer = await client.receiveUntilReady()
  const failed = answer.find(({ type }) => type === 'E')
  if (failed) throw new Error(`Cannot run statement elsewhere: ${text(failed.body)}`)
  const row = answer.find(({ type }) => type === 'D')
  return row ? text(row.body.subarray(6)) : ''
}

function answersTo(steps: readonly Step[]): number {
  const answered = steps.filter(
    (step) => step instanceof Uint8Array && (step[0] === 0x51 || step[0] === 0x53),
  )
  return answered.length
}

function shown(messages: readonly Received[], madeFrom: number): string[] {
  const made = new Map<number, number>()
  return messages.map(({ type, body }) => {
    switch (type) {
      case 'A':
        return `A ${text(body.subarray(4))}`
      case 'T':
        return `T ${text(describedAlike(body, madeFrom, made))}`
      case 'E':
      case 'N':
        return `${type} ${JSON.stringify([...readErrorFields(message(backend.ErrorResponse, body))])}`
      default:
        return `${type} ${text(body)}`
    }
  })
}

/** A RowDescription's body with the OIDs of new tables and types replaced by when they were first seen. */
function describedAlike(body: Uint8Array, madeFrom: number, made: Map<number, number>): Uint8Array {
  const alike = Uint8Array.from(body)
  const view = new DataView(alike.buffer)
  const replace = (at: number): void => {
    const oid = view.getUint32(at)
    if (oid < madeFrom) return
    if (!made.has(oid)) made.set(oid, made.size)
    view.setUint32(at, madeFrom + (made.get(oid) ?? 0))
  }
  let at = 2
  for (let left = view.getUint16(0); left > 0; left--) {
    at = alike.indexOf(0, at) + 1
    replace(at) // table
    replace(at + 6) // type
    at += 18
  }
  return alike
}

function text(body: Uint8Array): string {
  return Buffer.from(body).toString('latin1')
}
