import { serialize } from 'pg-protocol'
import { concat } from '../../gateway/concat.ts'
import { describeError, type WireClient } from './wire-client.ts'

/** The cells of each row as their bytes, NULL as `undefined`. @throws Error with what the server says */
export async function queryCells(
  client: WireClient,
  text: string,
  { binary = false, values = [] }: { readonly binary?: boolean; readonly values?: readonly unknown[] } = {},
): Promise<readonly (readonly (Buffer | undefined)[])[]> {
  client.send(
    concat([
      serialize.parse({ text }),
      serialize.bind({ binary, values: [...values] }),
      serialize.describe({ type: 'P' }),
      serialize.execute(),
      serialize.sync(),
    ]),
  )
  const answer = await client.receiveUntilReady()
  const failure = answer.find(({ type }) => type === 'E')
  if (failure) throw new Error(describeError(failure.body))
  return answer.flatMap(({ type, body }) => (type === 'D' ? [cells(Buffer.from(body))] : []))
}

function cells(body: Buffer): readonly (Buffer | undefined)[] {
  const found: (Buffer | undefined)[] = []
  for (let at = 2; at < body.length; ) {
    const length = body.readInt32BE(at)
    at += 4
    found.push(length < 0 ? undefined : body.subarray(at, at + length))
    at += Math.max(length, 0)
  }
  return found
}
