/** Which of several hosts a session ends up at. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { inWords } from '../../gateway/commands/in-words.ts'
import { catalogConnection } from '../../gateway/postgres/catalog-connection.ts'
import { connectUpstream } from '../../gateway/postgres/connect-upstream.ts'
import { query } from '../../gateway/postgres/frontend.ts'
import type { PostgresTarget, TargetSessionAttrs } from '../../gateway/postgres/postgres-target.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'
import { catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { freePort } from '../support/free-port.ts'
import { silentLog } from '../support/silent-log.ts'
import { type FakeTarget, startFakeTarget } from '../support/start-fake-target.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { reach, reached, targetAt } from './reach-target.ts'
import { startDoor } from './start-door.ts'

let primary: PostgresServer
let standby: PostgresServer
/** Accepts writes, but only where a transaction asks for them. */
let readOnly: PostgresServer
const names = new Map<number, string>()

beforeAll(async () => {
  ;[primary, readOnly] = await Promise.all([
    startPostgres(),
    startPostgres({ settings: { default_transaction_read_only: 'on' } }),
  ])
  standby = await startPostgres({ standbyOf: primary })
  names.set(primary.port, 'primary').set(standby.port, 'standby').set(readOnly.port, 'read-only')
})
afterAll(async () => {
  await standby.stop()
  await Promise.all([primary.stop(), readOnly.stop()])
})

/** Where the gateway ends up, or what is wrong. */
async function chosen(target: PostgresTarget): Promise<string> {
  const upstream = await reach(target).catch(inWords)
  if (typeof upstream === 'string') return upstream
  upstream.outbox.push(query('SHOW port'))
  upstream.outbox.flush()
  for (;;) {
    const scanned = await upstream.next()
    if (scanned.kind !== 'run') continue
    upstream.end()
    return names.get(Number(new TextDecoder().decode(scanned.bytes.subarray(11)))) ?? 'nobody knows'
  }
}

test.each<[TargetSessionAttrs, string, string]>([
  ['any', 'standby', 'primary'],
  ['read-write', 'primary', 'primary'],
  ['read-only', 'standby', 'read-only'],
  ['primary', 'primary', 'primary'],
  ['standby', 'standby', 'standby'],
  ['prefer-standby', 'standby', 'standby'],
])('%s is the first that fits', async (targetSessionAttrs, first, last) => {
  const hosts = [standby, readOnly, primary]

  expect(await chosen(targetAt([standby, primary], { targetSessionAttrs }))).toBe(first)
  expect(await chosen(targetAt(hosts.toReversed(), { targetSessionAttrs }))).toBe(last)
})

test('a standby is preferred, and where there is none anything does', async () => {
  const targetSessionAttrs = 'prefer-standby'

  expect(await chosen(targetAt([readOnly, primary], { targetSessionAttrs }))).toBe('read-only')
})

test('a session that is to be read-only may go where others could write', async () => {
  const target = targetAt([standby, primary], { targetSessionAttrs: 'read-write' })
  const parameters = new Map([['default_transaction_read_only', 'on']])

  const upstream = await connectUpstream(nodeNetwork, target, parameters, new AbortController().signal)

  expect(upstream.parameters.get('in_hot_standby')).toBe('off')
  upstream.end()
})

test('servers that do not tell what they are, as before PostgreSQL 14, are asked', async () => {
  await using old = await startSilent(standby)
  const at = (targetSessionAttrs: TargetSessionAttrs) =>
    chosen(targetAt([old, primary], { targetSessionAttrs }))

  expect(await at('read-write')).toBe('primary')
  expect(await at('read-only')).toBe('standby')
  expect(await at('primary')).toBe('primary')
  expect(await at('standby')).toBe('standby')
})

test('hosts that cannot be reached, never answer, or hang up are passed over', async () => {
  const gone = { host: '127.0.0.1', port: await freePort() }
  await using silent = await startFakeTarget(() => undefined)
  await using rude = await startFakeTarget((socket) => void socket.destroy())
  await using starting = await startFakeTarget((socket) => {
    socket.end(Buffer.from('E\0\0\0\x1eSFATAL\0C57P03\0Mnot yet\0\0\0\0', 'latin1'))
  })
  const limits = { connect: 500 }

  expect(await chosen(targetAt([gone, silent, rude, starting, primary], { limits }))).toBe('primary')
})

test('a host that refuses the password ends the search: the others must not be asked for the same again', async () => {
  await using other = await startFakeTarget(() => undefined)

  const said = await reached(targetAt([primary, other], { password: 'wrong' }))

  expect(said).toMatch(/28P01 password authentication failed/)
  expect(other.received().length).toBe(0)
})

test('sessions are spread over the hosts when that is asked for', async () => {
  const target = targetAt([primary, standby], { loadBalanceHosts: 'random' })

  const found = new Set<string>()
  // That all of them come out alike has a chance of one in 2^64.
  for (let tries = 0; tries < 65 && found.size < 2; tries++) found.add(await chosen(target))

  expect([...found].toSorted()).toEqual(['primary', 'standby'])
})

test('an agent hears how many hosts were tried and what was wanted; the log has which, and why', async () => {
  const gone = await freePort()
  const hosts = [standby, readOnly, { host: '127.0.0.1', port: gone }].map(({ host, port }) => ({
    host,
    port,
  }))
  const door = await startDoor(primary, { target: { hosts, targetSessionAttrs: 'primary' } })
  onTestFinished(() => door.close())
  const second = await startDoor(primary, {
    target: { hosts: [hosts[0]!, hosts[2]!], targetSessionAttrs: 'primary' },
  })
  onTestFinished(() => second.close())
  const third = await startDoor(primary, { target: { hosts: [hosts[2]!, hosts[2]!] } })
  onTestFinished(() => third.close())

  await (await door.connect()).end()
  await expect(second.connect()).rejects.toThrow(
    /^08001 Cannot connect to target "shop": none of its 2 hosts can be reached and is "primary" \| Try again later; operators find the cause in the log\.$/,
  )
  await expect(third.connect()).rejects.toThrow(
    /^08001 Cannot connect to target "shop": none of its 2 hosts can be reached \|/,
  )
  expect(second.logged.join()).toContain(
    `127.0.0.1:${standby.port}: it is not \\"primary\\"; 127.0.0.1:${gone}: connect ECONNREFUSED`,
  )
})

test('the catalog is read where sessions run', async () => {
  const door = await startDoor(primary, {
    target: { hosts: [readOnly, primary], targetSessionAttrs: 'read-write' },
  })
  onTestFinished(() => door.close())
  const client = await door.connect()
  client.send(query('CREATE TABLE here (id int)'), query('SELECT id FROM here'))
  await client.receiveUntilReady(2)
  client.end()

  const [, select] = door.asked
  expect(select).toMatchObject({
    facts: { status: 'known', relations: [{ schema: 'public', name: 'here' }] },
  })
})

test('the catalog is read also where the first host takes longer to be given up than others take in all', async () => {
  await using silent = await startFakeTarget(() => undefined)
  const target = targetAt([silent, primary], { limits: { connect: 10_500 } })
  const reader = catalogReader({ connect: catalogConnection(nodeNetwork, target), log: silentLog })
  onTestFinished(() => reader.close())

  expect((await reader.read()).generation).toBeGreaterThan(0)
})

/** A server that leaves out what PostgreSQL says of itself since version 14. */
function startSilent(server: PostgresServer): Promise<FakeTarget> {
  return startFakeTarget((near, first) => {
    const far = connect(server)
    far.write(first)
    near.pipe(far)
    let isReady = false
    far.on('data', (bytes: Buffer) => {
      near.write(isReady ? bytes : without(bytes))
      isReady ||= bytes.includes(Buffer.from('Z\0\0\0\x05I', 'latin1'))
    })
    far.on('close', () => near.destroy())
  })
}

function without(bytes: Buffer): Buffer {
  const kept: Buffer[] = []
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at + 1) + 1) {
    const frame = bytes.subarray(at, at + bytes.readInt32BE(at + 1) + 1)
    if (!/^S....(in_hot_standby|default_transaction_read_only)\0/s.test(frame.toString('latin1')))
      kept.push(frame)
  }
  return Buffer.concat(kept)
}
