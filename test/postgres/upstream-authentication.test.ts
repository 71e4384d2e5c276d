/** How the gateway proves itself to targets, and what it demands of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Socket } from '../../gateway/network.ts'
import { authenticationMethods, type PostgresTarget } from '../../gateway/postgres/postgres-target.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'
import { type Certificate, makeCertificate } from '../support/certificate.ts'
import { runCommand } from '../support/child.ts'
import { runtimeCommand } from '../support/spawn-gateway.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { reached, targetAt } from './reach-target.ts'

const password = 'käse ①'
let folder: string
/** What somebody in the middle would show, and what the gateway shows to targets that ask for a certificate. */
let other: Certificate

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-upstream-'))
  other = await makeCertificate(folder)
})
afterAll(() => rm(folder, { recursive: true }))

describe.each([15, 18] as const)('PostgreSQL %i', (version) => {
  let server: PostgresServer

  beforeAll(async () => {
    const rules = ['md5', 'password', 'trust'].map(
      (method) => `host all with_${method} 127.0.0.1/32 ${method}`,
    )
    // "cert" demands that the certificate is made out to the role.
    const certificates = 'hostssl all localhost 127.0.0.1/32 cert'
    server = await startPostgres({ version, tls: true, clientCa: other.ca, rules: [...rules, certificates] })
    const client = new Client(server.url)
    await client.connect()
    for (const role of ['with_scram', 'with_password', 'with_trust', 'localhost']) {
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
    }
    await client.query(`SET password_encryption = 'md5'; CREATE ROLE with_md5 LOGIN PASSWORD '${password}'`)
    await client.end()
  })
  afterAll(() => server.stop())

  function target(change: Partial<PostgresTarget>): PostgresTarget {
    return targetAt([{ host: 'localhost', port: server.port }], { password, ...change })
  }
  const verified = () => ({ verify: 'full', ca: server.ca }) as const
  const all = { methods: authenticationMethods, channelBinding: 'prefer' } as const

  test('SCRAM is bound to the TLS connection wherever that can be had', async () => {
    const user = 'with_scram'
    const binding = (channelBinding: 'disable' | 'prefer' | 'require') => ({
      authentication: { methods: ['scram-sha-256'] as const, channelBinding },
    })

    expect(await reached(target({ user }))).toBe('scram-sha-256')
    expect(await reached(target({ user, tls: verified() }))).toBe('scram-sha-256-plus')
    expect(await reached(target({ user, tls: { verify: 'none' } }))).toBe('scram-sha-256-plus')
    expect(await reached(target({ user, tls: verified(), ...binding('require') }))).toBe('scram-sha-256-plus')
    expect(await reached(target({ user, tls: verified(), ...binding('disable') }))).toBe('scram-sha-256')
    expect(await reached(target({ user, ...binding('require') }))).toMatch(
      /channel binding is demanded, but its certificate gives none/,
    )
  })

  test('a password, or a certificate, that is not the right one is told in words', async () => {
    expect(await reached(target({ user: 'with_scram', password: 'wrong' }))).toMatch(
      /^Cannot connect to target "shop": the gateway cannot log in \(localhost:\d+: .*28P01 password authentication failed/,
    )
    expect(await reached(target({ user: 'with_scram', password: undefined }))).toMatch(
      /it asks for a password and none is configured/,
    )
    expect(await reached(target({ user: 'localhost', tls: verified(), authentication: all }))).toMatch(
      /28000 connection requires a valid client certificate/,
    )
  })

  test('md5, clear text and nothing at all are answered where they are accepted', async () => {
    const tls = verified()

    expect(await reached(target({ user: 'with_md5', tls, authentication: all }))).toBe('md5')
    expect(await reached(target({ user: 'with_md5', authentication: all }))).toBe('md5')
    expect(await reached(target({ user: 'with_password', tls, authentication: all }))).toBe('password')
    expect(await reached(target({ user: 'with_trust', tls, authentication: all }))).toBe('none')
  })

  test('clear text never leaves without TLS, whatever is accepted', async () => {
    expect(await reached(target({ user: 'with_password', authentication: all }))).toMatch(
      /it asks for the password in clear text without TLS/,
    )
  })

  test('methods that are not accepted are named, and not answered', async () => {
    expect(await reached(target({ user: 'with_md5' }))).toMatch(
      /it asks for method "md5", which "authentication.methods" does not accept/,
    )
    expect(await reached(target({ user: 'with_password', tls: verified() }))).toMatch(
      /it asks for method "password", which/,
    )
    expect(await reached(target({ user: 'with_trust' }))).toMatch(
      /it lets the gateway in without asking for a proof, which "authentication.methods" does not accept/,
    )
    const authentication = { methods: authenticationMethods, channelBinding: 'require' } as const
    for (const user of ['with_md5', 'with_password', 'with_trust']) {
      expect(await reached(target({ user, tls: verified(), authentication }))).toMatch(
        /channel binding is demanded, but/,
      )
    }
  })

  test('a target that wants a certificate gets the one that is configured', async () => {
    const { certificate, key } = other
    const tls = { ...verified(), certificate, key }
    const authentication = { methods: ['none'], channelBinding: 'prefer' } as const

    expect(await reached(target({ user: 'localhost', tls, authentication, password: undefined }))).toBe(
      'none',
    )
  })

  test('a certificate that the target does not trust, or a key that is not its own, is told in words', async () => {
    const stranger = await makeCertificate(await mkdtemp(join(folder, 'stranger-')))
    const at = (certificate: string, key: string) =>
      reached(target({ user: 'localhost', tls: { ...verified(), certificate, key }, authentication: all }))

    expect(await at(stranger.certificate, stranger.key)).toMatch(
      /cannot be reached .*the connection was lost .*unknown ca/,
    )
    expect(await at(other.certificate, stranger.key)).toMatch(
      /cannot be reached .*Cannot start TLS .*key values mismatch/,
    )
  })

  test('certificates are checked as sslmode says', async () => {
    const user = 'with_scram'
    const at = (host: string, tls: PostgresTarget['tls']) =>
      reached(targetAt([{ host, port: server.port }], { user, password, tls }))

    expect(await at('127.0.0.1', { verify: 'full', ca: server.ca })).toBe('scram-sha-256-plus')
    expect(await at('localhost', { verify: 'full', ca: other.ca })).toMatch(/cannot be reached .*certificate/)
    expect(await at('localhost', { verify: 'ca', ca: other.ca })).toMatch(/cannot be reached .*certificate/)
    expect(await at('localhost', { verify: 'full' })).toMatch(
      /cannot be reached .*Cannot start TLS \(unable to verify/,
    )
  })

  test('a name that the certificate does not carry is good for verify-ca, and not for verify-full', async () => {
    const user = 'with_scram'
    await using elsewhere = await startRelay('127.0.0.2', server)
    const at = (verify: 'ca' | 'full') =>
      reached(targetAt([elsewhere], { user, password, tls: { verify, ca: server.ca } }))

    expect(await at('ca')).toBe('scram-sha-256-plus')
    expect(await at('full')).toMatch(/does not match certificate's altnames/)
  })

  test('TLS that begins at once is spoken by PostgreSQL 17 and later, and told apart from its absence', async () => {
    const said = await reached(target({ user: 'with_scram', tls: { ...verified(), negotiation: 'direct' } }))

    if (version === 15) expect(said).toMatch(/it cannot be reached \(localhost/)
    else expect(said).toBe('scram-sha-256-plus')
  })

  test('somebody in the middle is found out by the binding, also when the offer of it was struck out', async () => {
    const tls = { verify: 'none' } as const
    const authentication = { methods: ['scram-sha-256'], channelBinding: 'disable' } as const
    for (const isOfferStruck of [false, true]) {
      await using middle = await startMiddle(server, other, isOfferStruck)
      const target = targetAt([middle], { user: 'with_scram', password, tls })

      expect(await reached(target)).toMatch(/the gateway cannot log in .*channel binding/)
      expect(await reached({ ...target, authentication })).toBe('scram-sha-256')
    }
  })

  test('a gateway on Deno binds, verifies and shows certificates in the same way', async () => {
    const { certificate, key } = other
    const required = { methods: ['scram-sha-256'], channelBinding: 'require' } as const
    const targets = [
      target({ user: 'with_scram', tls: verified(), authentication: required }),
      target({ user: 'with_scram', tls: { verify: 'full', ca: other.ca } }),
      target({
        user: 'localhost',
        tls: { ...verified(), certificate, key },
        authentication: { methods: ['none'], channelBinding: 'prefer' },
      }),
      target({ user: 'with_scram', tls: { ...verified(), negotiation: 'direct' } }),
    ]
    const [command, ...flags] = runtimeCommand('deno')
    const script = join(import.meta.dirname, 'reach-targets.ts')

    const printed = await runCommand(command, [...flags, script], {
      env: { ...process.env, TARGETS: JSON.stringify(targets) },
    })

    const [bound, unknown, shown, direct] = printed.split('\n')
    expect(bound).toBe('scram-sha-256-plus')
    expect(unknown).toMatch(/cannot be reached .*certificate/i)
    expect(shown).toBe('none')
    if (version === 18) expect(direct).toBe('scram-sha-256-plus')
  })
})

/** The same server under another address. */
async function startRelay(
  host: string,
  server: PostgresServer,
): Promise<{ host: string; port: number } & AsyncDisposable> {
  const listener = await nodeNetwork.listen({ host, port: 0 }, (near) => {
    void nodeNetwork
      .connect(server, AbortSignal.timeout(5_000))
      .then((far) => Promise.all([pump(near, far), pump(far, near)]))
      .catch(() => near.destroy())
  })
  return { host, port: listener.address.port, [Symbol.asyncDispose]: () => listener.close() }
}

/** Ends TLS with a certificate of its own, and passes everything on; or all but the offer of channel binding. */
async function startMiddle(
  server: PostgresServer,
  { certificate, key }: Certificate,
  isOfferStruck: boolean,
): Promise<{ host: string; port: number } & AsyncDisposable> {
  const listener = await nodeNetwork.listen({ host: '127.0.0.1', port: 0 }, (accepted) => {
    void (async () => {
      const request = (await accepted.read()) ?? new Uint8Array(0)
      const raw = await nodeNetwork.connect(server, AbortSignal.timeout(5_000))
      await raw.write(request)
      await raw.read()
      const far = await raw.startTls({
        verify: 'none',
        serverName: 'localhost',
        protocol: 'postgresql',
        isProtocolDemanded: false,
      })
      await accepted.write(Buffer.from('S'))
      const near = await accepted.acceptTls({ certificate, key })
      await Promise.all([pump(near, far), pump(far, near, isOfferStruck ? strike : undefined)])
    })().catch(() => accepted.destroy())
  })
  return { ...listener.address, [Symbol.asyncDispose]: () => listener.close() }
}

async function pump(from: Socket, to: Socket, change = (bytes: Uint8Array) => bytes): Promise<void> {
  for (;;) {
    const bytes = await from.read()
    if (!bytes) return to.end()
    await to.write(change(bytes))
  }
}

/** AuthenticationSASL without its first mechanism. */
function strike(bytes: Uint8Array): Uint8Array {
  const plus = Buffer.from('SCRAM-SHA-256-PLUS\0')
  const message = Buffer.from(bytes)
  const at = message.indexOf(plus)
  if (at === -1) return bytes
  const less = Buffer.concat([message.subarray(0, at), message.subarray(at + plus.length)])
  less.writeInt32BE(message.readInt32BE(1) - plus.length, 1)
  return less
}
