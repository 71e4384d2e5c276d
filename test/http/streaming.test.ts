import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { RequestListener, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Concealment, Mask } from '../../gateway/decision.ts'
import { digest } from '../../gateway/masking/digest.ts'
import { runCommand, startChild } from '../support/child.ts'
import { runtimeCommand } from '../support/spawn-gateway.ts'
import { startServer } from './start-gateway.ts'

const gigabyte = 2 ** 30
const megabyte = 2 ** 20
/** What a runtime needs, and many chunks on their way; a tenth of what passes. */
const memoryLimit = 300 * megabyte
/** A reader that takes nothing for so long has stopped, in milliseconds. */
const stallTime = 500

describe.each(['node', 'deno'] as const)('on %s', (runtime) => {
  test('memory stays flat while a gigabyte comes back', { timeout: 120_000 }, async () => {
    const door = await startDoor(runtime, (_, response) => {
      response.writeHead(200, { 'content-length': gigabyte })
      void pour(gigabyte, response)
    })

    const size = await runCommand('curl', [...curl, '-o', '/dev/null', '-w', '%{size_download}', door.url])

    expect(Number(size)).toBe(gigabyte)
    expect(await door.peakMemory()).toBeLessThan(memoryLimit)
  })

  test('memory stays flat while a gigabyte goes in', { timeout: 120_000 }, async () => {
    const door = await startDoor(runtime, async (request, response) => {
      let bytes = 0
      for await (const chunk of request) bytes += chunk.length
      response.end(String(bytes))
    })

    const upload = `head -c ${gigabyte} /dev/zero | curl ${curl.join(' ')} -T - ${door.url}`
    const size = await runCommand('sh', ['-c', upload])

    expect(Number(size)).toBe(gigabyte)
    expect(await door.peakMemory()).toBeLessThan(memoryLimit)
  })

  test('a target is not read faster than its agent reads', async () => {
    let sent = 0
    const full = Promise.withResolvers<void>()
    const door = await startDoor(runtime, (_, response) => {
      response.writeHead(200)
      void pour(gigabyte, response, (bytes) => {
        sent = bytes
        full.resolve()
      })
    })

    const response = await fetch(door.url, { headers: { authorization: 'Bearer t' } })
    await full.promise

    expect(sent).toBeLessThan(64 * megabyte)
    await response.body?.cancel()
  })

  test('masking a large list takes no more memory than passing it on', { timeout: 120_000 }, async () => {
    const item = `{"email":"ann@example.org","note":"${'x'.repeat(1000)}"},`
    const count = 60_000
    const target: RequestListener = async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('[')
      for (let i = 0; i < count; i += 100) {
        if (!response.write(item.repeat(100))) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end('{}]')
    }
    const door = await startDoor(runtime, target, [{ kind: 'path', field: '*.email', with: 'redact' }])

    const counted = `curl ${curl.join(' ')} ${door.url} | tr ',' '\\n' | grep -cF '"email":"[masked]"'`
    const masked = await runCommand('sh', ['-c', counted])

    expect(Number(masked)).toBe(count)
    expect(await door.peakMemory()).toBeLessThan(memoryLimit)
  })

  test('every kind of mask shows the same', async () => {
    const fields = {
      partial: ['4111111111111111', { with: 'partial', keep_start: 1 }, '4***************'],
      email: ['ada@example.com', { with: 'email' }, 'a***@example.com'],
      hash: [
        'ada@example.com',
        { with: 'hash' },
        digest('key')('hash', 'ada@example.com').subarray(0, 16).toHex(),
      ],
      constant: [[1], { with: 'constant', value: 0 }, 0],
      noise: [1_000_000, { with: 'noise', amount: 1000 }, 1_000_368],
      bucket: [1234.5, { with: 'truncate', step: 100 }, 1200],
      day: ['2024-05-19T21:13:28Z', { with: 'truncate', to: 'day' }, '2024-05-19T00:00:00Z'],
    } satisfies Record<string, [unknown, Concealment, unknown]>
    const all = Object.entries(fields)
    const body = JSON.stringify(Object.fromEntries(all.map(([name, [value]]) => [name, value])))
    const target: RequestListener = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    }
    const masks = all.map(([field, [, how]]): Mask => ({ kind: 'path', field, ...how }))
    const door = await startDoor(runtime, target, masks)

    const response = await fetch(door.url, { headers: { authorization: 'Bearer t' } })

    expect(await response.json()).toEqual(Object.fromEntries(all.map(([name, [, , shown]]) => [name, shown])))
  })
})

const curl = ['-sS', '--fail', '--oauth2-bearer', 't']

async function startDoor(runtime: 'node' | 'deno', target: RequestListener, masks: readonly Mask[] = []) {
  const [command, ...flags] = runtimeCommand(runtime)
  const args = [...flags, script, await startServer(target), JSON.stringify(masks)]
  const child = startChild(command, args)
  onTestFinished(async () => {
    await child.kill()
  })
  const port = (await child.saw(/port (\d+)/))[1]
  return {
    url: `http://127.0.0.1:${port}/http/shop`,
    async peakMemory(): Promise<number> {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
    },
  }
}

/** Writes as fast as the reader takes it. @param stalled called each time that the reader does not */
async function pour(
  bytes: number,
  response: ServerResponse,
  stalled: (sent: number) => void = () => {},
): Promise<void> {
  const closed = once(response, 'close')
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    if (response.destroyed) return
    if (response.write(chunk)) continue
    const timer = setTimeout(() => stalled(sent), stallTime)
    await Promise.race([once(response, 'drain'), closed])
    clearTimeout(timer)
  }
  response.end()
}

const script = fileURLToPath(new URL('serve-door.ts', import.meta.url))
