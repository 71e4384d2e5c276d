/** `sluice serve --workers`: several processes behind one listener are one gateway. */
import process from 'node:process'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand, startChild } from '../support/child.ts'
import { runtimeCommand } from '../support/spawn-gateway.ts'
import { errorFields, WireClient } from '../support/wire-client.ts'
import { vote } from './postgres.ts'
import { type House, type Replica, startHouse } from './start-house.ts'

const count = 3
let house: House
let replica: Replica

beforeAll(async () => {
  house = await startHouse({ runtime: 'node', store: 'sqlite', flags: ['--workers', String(count)] })
  const [first] = house.replicas
  if (!first) throw new Error('The house has no replica')
  replica = first
})
afterAll(() => house.stop())

test('every worker takes its turn', async () => {
  const tries = Array.from({ length: 2 * count }, () =>
    WireClient.connect({ ...replica.postgres, user: 'agent', database: 'shop', password: 'no token' }),
  )

  const refused = await Promise.allSettled(tries)

  expect(refused.every(({ status }) => status === 'rejected')).toBe(true)
  await expect.poll(() => new Set(logged('Connection refused').map(({ worker }) => worker)).size).toBe(count)
})

test('a scrape sees what all of them count', async () => {
  const clients = await Promise.all(Array.from({ length: 2 * count }, () => connect()))

  const open = /^sluice_sessions_open\{protocol="postgres"\} (\d+)$/m
  await expect.poll(async () => open.exec(await metrics())?.[1]).toBe(String(clients.length))
  const scrapes = await Promise.all(Array.from({ length: 2 * count }, () => metrics()))
  expect(new Set(scrapes.map((text) => open.exec(text)?.[1])).size).toBe(1)

  for (const client of clients) client.end()
  await expect.poll(async () => open.exec(await metrics())?.[1]).toBe('0')
})

test('a vote that one worker takes lets the statement go that another one holds', async () => {
  const token = await house.token('dana')
  const held = await Promise.all(
    Array.from({ length: count }, (_, n) => hold(`DELETE FROM carts WHERE id = ${n + 1}`)),
  )

  for (const { approval } of held) {
    expect((await vote(replica, approval, 'approve', token)).status).toBe(200)
  }

  for (const { client } of held) {
    expect((await client.receiveUntilReady()).map(({ type }) => type).join('')).toBe('CZ')
    client.end()
  }
})

test('a cancel request finds its session, whichever worker takes it', async () => {
  const held = await Promise.all(
    Array.from({ length: count }, (_, n) => hold(`DELETE FROM carts WHERE id = ${n + 101}`)),
  )

  for (const { client } of held) {
    await WireClient.cancel(replica.postgres, client.key)

    const [error] = await client.receiveUntil('E')
    expect(errorFields(error?.body ?? new Uint8Array(0)).C).toBe('57014')
    client.end()
  }
})

test('a worker that dies is told of and replaced, and the sessions of the others go on', async () => {
  const clients = await Promise.all(Array.from({ length: count }, () => connect()))
  const [victim] = logged('Worker serves')

  process.kill(Number(victim?.pid), 'SIGKILL')
  await expect.poll(() => logged('Worker ended').length, { timeout: 10_000 }).toBe(1)
  await expect.poll(ready, { timeout: 30_000 }).toBe(true)

  expect(logged('Worker ended')[0]).toMatchObject({ worker: victim?.worker, signal: 'SIGKILL' })
  await expect.poll(() => logged('Worker serves').length).toBe(count + 1)
  const answers = await Promise.allSettled(clients.map((client) => answer(client)))
  expect(answers.filter(({ status }) => status === 'fulfilled').length).toBe(count - 1)
  const fresh = await Promise.all(Array.from({ length: count }, () => connect()))
  for (const client of fresh) expect(await answer(client)).toBe('TDCZ')
  for (const client of [...clients, ...fresh]) client.end()
})

test('it is not ready while one of them does not serve', async () => {
  const seen: boolean[] = []
  const [victim] = logged('Worker serves').slice(-1)
  process.kill(Number(victim?.pid), 'SIGKILL')

  while (!seen.includes(false) || !seen.at(-1)) seen.push(await ready())

  expect(seen.at(-1)).toBe(true)
})

test('SIGTERM lets every worker drain, and every recording gets its end', async () => {
  const clients = await Promise.all(Array.from({ length: count }, () => connect()))
  for (const client of clients) await answer(client)
  const pids = logged('Worker serves').map(({ pid }) => Number(pid))

  process.kill(replica.gateway.pid, 'SIGTERM')
  const ends = await Promise.all(clients.map((client) => client.receive()))

  for (const { body } of ends) expect(errorFields(body)).toMatchObject({ S: 'FATAL', C: '57P03' })
  await expect.poll(() => logged('Gateway is closed').length, { timeout: 15_000 }).toBe(1)
  await expect.poll(() => pids.filter(isAlive)).toEqual([])
  expect(await house.sluice(['sessions', 'verify', '--all'])).toMatch(/0 broken/)
})

test('workers end with their parent', async () => {
  const [command, ...flags] = runtimeCommand('node')
  const args = [...flags, 'gateway/cli.ts', 'serve', '-c', replica.gateway.configFile, '--workers', '2']
  const child = startChild(command, args, { env: { ...process.env, ...house.env } })
  await child.saw(/Gateway is open/)
  const pids = [...child.output().matchAll(/"pid":(\d+),"msg":"Worker serves"/g)].map(([, pid]) =>
    Number(pid),
  )

  await child.kill()

  expect(pids).toHaveLength(2)
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([])
})

test('a port that is taken is told in words, once', async () => {
  const args = ['gateway/cli.ts', 'serve', '-c', replica.gateway.configFile]
  const [node, ...flags] = runtimeCommand('node')
  const [deno, ...denoFlags] = runtimeCommand('deno')
  const env = { ...process.env, ...house.env }
  const first = startChild(node, [...flags, ...args], { env })
  await first.saw(/Gateway is open/)

  for (const [command, ...more] of [
    [node, ...flags, ...args],
    [node, ...flags, ...args, '--workers', '2'],
    [deno, ...denoFlags, ...args],
  ] as const) {
    const second = startChild(command, more, { env })

    expect(await second.exited).toBe(1)
    const told = /Cannot listen on 127\.0\.0\.1:\d+: another process listens there already/g
    expect(second.output().match(told)).toHaveLength(1)
  }
  await first.stop()
})

test('Deno refuses in words', async () => {
  const [command, ...flags] = runtimeCommand('deno')
  const args = ['gateway/cli.ts', 'serve', '-c', replica.gateway.configFile, '--workers', '2']

  await expect(
    runCommand(command, [...flags, ...args], { env: { ...process.env, ...house.env } }),
  ).rejects.toThrow(/Cannot serve with several workers: Deno /)
})

/** Lines of the log with a message that begins like this. */
function logged(message: string): Record<string, unknown>[] {
  return replica.gateway
    .logs()
    .split('\n')
    .filter((line) => line.includes(`"msg":"${message}`))
    .map((line) => JSON.parse(line))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function metrics(): Promise<string> {
  return (await fetch(`${replica.httpUrl}/metrics`)).text()
}

async function ready(): Promise<boolean> {
  return fetch(`${replica.httpUrl}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )
}

async function answer(client: WireClient): Promise<string> {
  client.send(serialize.query('SELECT count(*) FROM carts'))
  return (await client.receiveUntilReady()).map(({ type }) => type).join('')
}

async function connect(): Promise<WireClient> {
  const password = await house.token('cleanup-agent')
  return WireClient.connect({ ...replica.postgres, user: 'agent', database: 'shop', password })
}

async function hold(text: string): Promise<{ client: WireClient; approval: string }> {
  const client = await connect()
  client.send(serialize.query(text))
  const notice = (await client.receiveUntil('N')).at(-1)
  const [, approval = ''] =
    /approval "([^"]+)"/.exec(errorFields(notice?.body ?? new Uint8Array(0)).M ?? '') ?? []
  return { client, approval }
}
