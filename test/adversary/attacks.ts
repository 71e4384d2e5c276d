/** Every attack leaks when nothing is in front, and none does through the gateway. @module */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Received } from '../support/wire-client.ts'
import { describeError, errorFields } from '../support/wire-client.ts'
import { type Arena, startArena } from './arena.ts'
import type { Attack } from './attack.ts'
import { attacks } from './attacks/index.ts'
import { secrets } from './company.ts'
import { comparable, finder } from './disguises.ts'
import { play } from './play.ts'

/** How an attack came to nothing. */
type End = 'masked' | 'denied by masks' | 'denied by policy' | 'failed'

const find = [finder(secrets[0]), finder(secrets[1])] as const

export function attacksOn(version: 15 | 18): void {
  const tried = attacks.filter(({ since = 15 }) => since <= version)
  const ends = new Map<End, number>()
  const opened: string[] = []
  let arena: Arena
  let before: readonly string[]

  beforeAll(async () => {
    arena = await startArena(version)
    before = await arena.contents()
  }, 120_000)
  afterAll(async () => {
    console.log(
      `PostgreSQL ${version}: ${tried.length} attacks, none came through${opened.length > 0 ? ` but perhaps ${opened.length} that are known` : ''}: ${[...ends].map(([end, count]) => `${count} ${end}`).join(', ')}`,
    )
    await arena?.stop()
  })

  describe(`attacks on a PostgreSQL ${version}`, () => {
    test.each(tried)('$name', async (attack) => {
      const as = attack.as ?? 'owner'

      const direct = await both(attack, arena.places('direct', as))
      const through = await both(attack, arena.places('through', as))

      const isLeaking = attack.by === 'value' ? find[0](direct[0]) !== undefined : !isSame(direct)
      expect(isLeaking, `direct: ${shown(direct[0])}\n${shown(direct[1])}`).toBe(true)
      if (attack.open !== undefined) {
        opened.push(attack.name)
        return
      }
      for (const [index, received] of through.entries()) {
        expect(find[index]?.(received), shown(received)).toBeUndefined()
      }
      expect(comparable(through[0])).toEqual(comparable(through[1]))
      const end = endOf(through[0])
      ends.set(end, (ends.get(end) ?? 0) + 1)
      expect(end, shown(through[0])).not.toBe('denied by policy')
    })

    test('each attack left the databases as they were', async () => {
      expect(await arena.contents()).toEqual(before)
    })
  })
}

type Both = readonly [readonly Received[], readonly Received[]]

/** One after the other where files are written: those are not of a database. */
async function both(attack: Attack, [one, other]: ReturnType<Arena['places']>): Promise<Both> {
  if (attack.as === 'superuser') return [await play(attack, one), await play(attack, other)]
  return Promise.all([play(attack, one), play(attack, other)])
}

function isSame([one, other]: readonly [readonly Received[], readonly Received[]]): boolean {
  return JSON.stringify(comparable(one)) === JSON.stringify(comparable(other))
}

function endOf(received: readonly Received[]): End {
  const errors = received.filter(({ type }) => type === 'E').map(({ body }) => errorFields(body))
  const denials = errors.filter(({ C }) => C === '42501' || C === '0A000' || C === '08P01')
  if (denials.some(({ M = '' }) => /^Cannot (trace|mask|apply mask)/.test(M))) return 'denied by masks'
  if (denials.length > 0) return 'denied by policy'
  return errors.length > 0 ? 'failed' : 'masked'
}

function shown(received: readonly Received[]): string {
  return received
    .map(({ type, body }) =>
      type === 'E' || type === 'N'
        ? `${type} ${describeError(body)}`
        : `${type} ${Buffer.from(body).toString('latin1')}`,
    )
    .join('\n')
    .replaceAll(/[^\x20-\x7e\n]+/g, ' ')
    .slice(0, 3_000)
}
