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
