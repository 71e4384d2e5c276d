/** Which digest of a certificate SCRAM is bound to: that of its signature, says RFC 5929. */
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backend, int32, message } from '../../gateway/postgres/backend.ts'
import { serverEndPoint } from '../../gateway/postgres/channel-binding.ts'
import { TargetAuthentication } from '../../gateway/postgres/target-authentication.ts'
import { runCommand } from '../support/child.ts'
import { targetAt } from './reach-target.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-certificate-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function certificate(...options: string[]): Promise<Uint8Array> {
  const file = join(folder, 'certificate.pem')
  await runCommand('openssl', [
    ...['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-keyout', join(folder, 'key.pem'), '-out', file, ...options],
  ])
  return new X509Certificate(await readFile(file)).raw
}

const rsa = ['-newkey', 'rsa:2048']
const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
const pss = ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss']

test.each([
  ['RSA with SHA-1', [...rsa, '-sha1'], 'sha256'],
  ['RSA with SHA-256', [...rsa, '-sha256'], 'sha256'],
  ['RSA with SHA-384', [...rsa, '-sha384'], 'sha384'],
  ['RSA with SHA-512', [...rsa, '-sha512'], 'sha512'],
  ['ECDSA with SHA-256', [...ec, '-sha256'], 'sha256'],
  ['ECDSA with SHA-384', [...ec, '-sha384'], 'sha384'],
  ['RSASSA-PSS with SHA-256', [...pss, '-sha256'], 'sha256'],
  ['RSASSA-PSS with SHA-512', [...pss, '-sha512'], 'sha512'],
])('%s', async (_, options, hash) => {
  const der = await certificate(...options)

  expect(serverEndPoint(der)).toEqual(createHash(hash).update(der).digest())
})

test('Ed25519 has no hash of its own, so there is nothing to bind to', async () => {
  expect(serverEndPoint(await certificate('-newkey', 'ed25519'))).toBeUndefined()
})

describe('without a digest to bind to', () => {
  const plus = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
  const plain = ['SCRAM-SHA-256']

  test('a target whose certificate is checked is told that there is none', async () => {
    const peerCertificate = await certificate('-newkey', 'ed25519')

    expect(await firstWords({ peerCertificate, verify: 'full', offered: plus })).toMatch(/^n,,/)
    expect(await firstWords({ peerCertificate, verify: 'full', offered: plain })).toMatch(/^n,,/)
  })

  test('one whose certificate is not checked is refused, or told that it did not offer any', async () => {
    const peerCertificate = await certificate('-newkey', 'ed25519')

    await expect(firstWords({ peerCertificate, verify: 'none', offered: plus })).rejects.toThrow(
      /channel binding is demanded, but its certificate gives none, and nothing else proves who it is/,
    )
    expect(await firstWords({ peerCertificate, verify: 'none', offered: plain })).toMatch(/^y,,/)
  })
})

test('with one, the target hears whether its offer came through', async () => {
  const peerCertificate = await certificate(...ec)

  for (const verify of ['full', 'none'] as const) {
    expect(await firstWords({ peerCertificate, verify, offered: ['SCRAM-SHA-256-PLUS'] })).toMatch(
      /^p=tls-server-end-point,,/,
    )
    expect(await firstWords({ peerCertificate, verify, offered: ['SCRAM-SHA-256'] })).toMatch(/^y,,/)
  }
})

/** What the gateway answers to an offer of mechanisms. */
async function firstWords(options: {
  readonly peerCertificate: Uint8Array
  readonly verify: 'full' | 'none'
  readonly offered: readonly string[]
}): Promise<string> {
  const { peerCertificate, verify, offered } = options
  const authentication = new TargetAuthentication(targetAt([], { tls: { verify } }), {
    isEncrypted: true,
    peerCertificate,
  })
  const asked = Buffer.concat([int32(10), Buffer.from(`${offered.join('\0')}\0\0`)])
  const answer = Buffer.from((await authentication.answer(message(backend.Authentication, asked))) ?? [])
  // Type, length, the mechanism and its NUL, and the length of what follows.
  return answer.subarray(answer.indexOf(0, 5) + 1 + 4).toString('latin1')
}
