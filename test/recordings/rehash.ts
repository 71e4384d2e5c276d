import { createHash } from 'node:crypto'
import { signedText } from '../../gateway/recordings/sealed-event.ts'
import type { Signer } from '../../gateway/recordings/signer.ts'

/** What somebody with the store but without the key can do: number and chain everything anew. */
export function rehash(texts: readonly string[], first = 0): string[] {
  let prev = first === 0 ? '0'.repeat(64) : (JSON.parse(texts[0] ?? '').prev as string)
  return texts.map((text, index) => {
    const { hash: _, signature, ...event } = JSON.parse(text)
    const body = JSON.stringify({ ...event, seq: first + index, prev })
    prev = createHash('sha256').update(body).digest('hex')
    const signed = signature ? `","signature":"${signature}` : ''
    return `${body.slice(0, -1)},"hash":"${prev}${signed}"}`
  })
}

/** What a gateway could do that writes what it should not: everything anew, and the end signed with its key. */
export function resign(texts: readonly string[], key: Signer): string[] {
  const events = rehash(texts)
  const { session, hash } = JSON.parse(events.at(-1) ?? '')
  const signature = key.sign(signedText(session, { count: events.length, hash }))
  return events.with(-1, (events.at(-1) ?? '').replace(/"signature":"[^"]+"/, `"signature":"${signature}"`))
}
