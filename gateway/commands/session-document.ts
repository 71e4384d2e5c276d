import type { RecordedSession } from '../recordings/recorded-sessions.ts'

/**
 * A session for programs, in the words of its recording's first and last event. What a recording cannot tell is absent:
 * all of the first when that cannot be read, all of the last while the session runs, and when its end was lost.
 */
export function sessionDocument({ id, opened, closed }: RecordedSession): object {
  return {
    id,
    ...(opened && {
      opened: opened.at,
      protocol: opened.protocol,
      principal: opened.principal,
      target: opened.target,
      client: opened.client,
    }),
    ...(closed && { closed: closed.at, reason: closed.reason, counts: closed.counts }),
  }
}
