import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { logger } from '../../gateway/runtime/logger.ts'
import { Secret } from '../../gateway/secret.ts'

function written(format: 'json' | 'pretty', write: (log: ReturnType<typeof logger>) => void): string {
  let text = ''
  const destination = new Writable({
    write(chunk, _, done) {
      text += chunk
      done()
    },
  })
  write(logger({ level: 'info', format }, destination))
  return text
}

describe('the log', () => {
  test('is one JSON object a line, with the level by name', () => {
    const lines = written('json', (log) => {
      log.info({ session: 's1' }, 'session opened')
      log.debug({}, 'not at this level')
    })

    expect(
      lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ level: 'info', time: expect.any(Number), session: 's1', msg: 'session opened' }])
  })

  test('tells of errors with their cause', () => {
    const line = written('json', (log) =>
      log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed'),
    )

    expect(JSON.parse(line).err).toMatchObject({ message: expect.stringContaining('inner') })
  })

  test('for people shows what agents wrote, and does not let it steer the terminal or forge a line', () => {
    const name = 'C:\\bin \u001b[2J\u009b31m\u202e\n[12:00:00.000] INFO: forged'

    const text = written('pretty', (log) =>
      log.info({ err: new Error(name), agent: name }, `Cannot find "${name}"`),
    )

    expect(text).toContain('Cannot find "C:\\bin \ufffd[2J\ufffd31m\ufffd⏎[12:00:00.000] INFO: forged"')
    for (const control of ['\u001b', '\u009b', '\u202e']) expect(text).not.toContain(control)
    expect(text).not.toMatch(/^\[12:00/m)
  })

  test.each(['json', 'pretty'] as const)(
    'hides what is named like a secret, at any depth, in %s',
    (format) => {
      const line = written(format, (log) =>
        log.info(
          {
            token: 'hunter-two',
            request: { headers: { Authorization: 'hunter-two', cookie: 'hunter-two' } },
            targets: [{ userPassword: 'hunter-two' }],
            key: new Secret('hunter-two'),
          },
          'hello',
        ),
      )

      expect(line).toContain('hello')
      expect(line).not.toContain('hunter-two')
    },
  )
})
