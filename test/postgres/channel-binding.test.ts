/** Which digest of a certificate SCRAM is bound to: that of its signature, says RFC 5929. */
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serverEndPoint } from '../../gateway/postgres/channel-binding.ts'
import { runCommand } from '../support/child.ts'

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
