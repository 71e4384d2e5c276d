import { expect, test } from 'vitest'
import { RequestBody } from '../../gateway/http/request-body.ts'

test('a body that has to be whole and does not come to an end is given up', async () => {
  async function* endless() {
    yield new Uint8Array(1)
    await new Promise(() => {})
  }

  await expect(new RequestBody(endless(), 10).buffer(100)).rejects.toMatchObject({
    code: 'idle',
    message: 'Cannot read request: its body took too long to come',
  })
})
