/** What no test through the door can bring about, because the lock before this one holds. */
import { expect, test } from 'vitest'
import { MeasuresInForce } from '../../gateway/postgres/session-measures.ts'

test.each([
  ['default_transaction_read_only', 'off'],
  ['session_authorization', 'postgres'],
  ['is_superuser', 'on'],
])('a target that reports %s = %s ends a session that must not have it', (name, value) => {
  const measures = new MeasuresInForce({ role: 'agent_ro', read_only: true })
  measures.begin(
    new Map([
      ['is_superuser', 'off'],
      ['session_authorization', 'gateway'],
    ]),
  )

  expect(() => measures.reported(name, value)).toThrow(
    `Cannot continue session: its setting ${name} was changed`,
  )
})

test('what is reported again, or has no measure, ends nothing', () => {
  const measures = new MeasuresInForce({ role: 'agent_ro' })
  measures.begin(new Map([['is_superuser', 'off']]))

  for (const [name, value] of [
    ['is_superuser', 'off'],
    ['default_transaction_read_only', 'off'],
    ['TimeZone', 'UTC'],
  ] as const) {
    expect(() => measures.reported(name, value)).not.toThrow()
  }
})

test.each([
  ['role', { role: 'none', readOnly: 'on', timeout: 500 }],
  ['read_only', { role: 'agent_ro', readOnly: 'off', timeout: 500 }],
  ['statement_timeout', { role: 'agent_ro', readOnly: 'on', timeout: 0 }],
  ['statement_timeout', { role: 'agent_ro', readOnly: 'on', timeout: 501 }],
] as const)('a session does not open where a pooler has forgotten its %s', (measure, state) => {
  const measures = new MeasuresInForce({ role: 'agent_ro', read_only: true, statement_timeout: 500 })

  expect(() => measures.check(state)).toThrow(`the target does not keep "${measure}"`)
})
