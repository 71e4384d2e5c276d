import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './child.ts'

export interface Certificate {
  /** PEM of the CA: what a client must trust. */
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** Makes a CA and a certificate for `localhost` and 127.0.0.1; leaves `server.crt` and `server.key` in the folder. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const path = (name: string) => join(directory, name)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']
  await runCommand('openssl', [
    ...['req', '-x509', ...newKey, '-subj', '/CN=Test CA'],
    ...['-keyout', path('ca.key'), '-out', path('ca.crt')],
  ])
  await writeFile(path('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  await runCommand('openssl', [
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/CN=localhost', '-keyout', path('server.key'), '-out', path('server.csr')],
  ])
  await runCommand('openssl', [
    ...['x509', '-req', '-in', path('server.csr'), '-CA', path('ca.crt'), '-CAkey', path('ca.key')],
    ...['-CAcreateserial', '-days', '30', '-extfile', path('server.ext'), '-out', path('server.crt')],
  ])
  const [ca, certificate, key] = await Promise.all(
    ['ca.crt', 'server.crt', 'server.key'].map((name) => readFile(path(name), 'utf8')),
  )
  await Promise.all(
    ['ca.key', 'ca.srl', 'server.csr', 'server.ext'].map((name) => rm(path(name), { force: true })),
  )
  if (!ca || !certificate || !key) throw new Error('Cannot make certificate: openssl left nothing')
  return { ca, certificate, key }
}
