/** Honest agents get what they would get without a gateway, but for the cells that are masked. @module */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { concealText } from '../../gateway/masking/conceal-text.ts'
import { digest } from '../../gateway/masking/digest.ts'
import type { Received } from '../support/wire-client.ts'
import { describeError, errorFields } from '../support/wire-client.ts'
import { type Arena, startArena } from './arena.ts'
import { maskingKey } from './company.ts'
import { everyday } from './legitimate/index.ts'
import { psqlCommands, showCommands, withoutSizes } from './legitimate/psql.ts'
import type { Hidden } from './legitimate.ts'
import { play } from './play.ts'

export function answersOn(version: 15 | 18): void {
  const asked = everyday.filter(({ since = 15 }) => since <= version)
  let arena: Arena
  let answered = 0

  beforeAll(async () => {
    arena = await startArena(version)
  }, 120_000)
  afterAll(async () => {
    const all = asked.length + (version === 15 ? psqlCommands.length : 0)
    console.log(
      `PostgreSQL ${version}: ${answered} of ${all} legitimate queries and commands are answered as without a gateway`,
    )
    await arena?.stop()
  })

  describe(`what honest agents ask of a PostgreSQL ${version}`, () => {
    test.each(asked)('$name', async (script) => {
      const [direct] = arena.places('direct', 'owner')
      const [through] = arena.places('through', 'owner')

      const expected = await play(script, direct)
      const received = await play(script, through)

      expect(received.map(kindOf)).toEqual(expected.map(kindOf))
      if (script.open !== undefined) return
      expect(received.map(show)).toEqual(expected.map((message) => show(asMasked(message, script.hidden))))
      answered++
    })

    // The system's psql is as old as the system's server.
    if (version !== 15) return
    let shown: readonly string[] = []
    let expected: readonly string[] = []

    beforeAll(async () => {
      const [direct] = arena.places('direct', 'owner')
      const [through] = arena.places('through', 'owner')
      ;[expected, shown] = await Promise.all([showCommands(direct), showCommands(through)])
    })

    test.each(psqlCommands.map((command, index) => ({ command, index })))('psql \\$command', ({ index }) => {
      const [got, wanted] = [shown, expected].map((all) => all[index]?.replaceAll('through_a', 'direct_a'))
      expect(withoutSizes(got ?? '')).toBe(withoutSizes(wanted ?? ''))
      answered++
    })
  })
}

const keyed = digest(maskingKey)

/** A message of the server with masks on its cells. */
function asMasked(message: Received, hidden: Readonly<Record<number, Hidden>>): Received {
  if (message.type !== 'D' || Object.keys(hidden).length === 0) return message
  const { body } = message
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const parts: Buffer[] = [Buffer.from(body.subarray(0, 2))]
  let at = 2
  for (let index = 0; index < view.getUint16(0); index++) {
    const length = view.getInt32(at)
    at += 4
    const value = length < 0 ? undefined : Buffer.from(body.subarray(at, at + length))
    at += Math.max(0, length)
    const how = hidden[index]
    const shown = how === undefined || value === undefined ? value : masked(value.toString(), how)
    const size = Buffer.alloc(4)
    size.writeInt32BE(shown === undefined ? -1 : shown.length)
    parts.push(size, ...(shown === undefined ? [] : [shown]))
  }
  return { type: 'D', body: Buffer.concat(parts) }
}

function masked(value: string, how: Hidden): Buffer | undefined {
  if (how === null) return undefined
  if (typeof how === 'object') return Buffer.from(how.shown)
  if (how === '[masked]') return Buffer.from(how)
  return Buffer.from(concealText(value, { kind: 'column', field: '', with: how }, keyed) ?? '')
}

/** What it is, and of an error which. */
function kindOf({ type, body }: Received): string {
  return type === 'E' ? `${type} ${errorFields(body).C}` : type
}

function show({ type, body }: Received): string {
  if (type === 'E' || type === 'N') return `${type} ${describeError(body)}`
  return `${type} ${Buffer.from(body).toString('latin1')}`
}
