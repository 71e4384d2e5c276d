/** Drivers see the same through a gateway that allows everything as at the server itself. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findGo } from '../../scripts/go.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { runCommand } from '../support/child.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

let server: PostgresServer
let door: TestDoor

beforeAll(async () => {
  server = await startPostgres({ version: 18 })
  door = await startDoor(server, { target: { name: server.database } })
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

test('pgjdbc, in each of its modes', { timeout: 180_000 }, async () => {
  const run = ({ port }: { port: number }) =>
    runCommand('java', [
      ...['-cp', '/usr/share/java/postgresql.jar', join(import.meta.dirname, 'Pgjdbc.java')],
      ...[`jdbc:postgresql://127.0.0.1:${port}/${server.database}`, server.user, server.password],
    ])

  const seen = await run(door)

  expect(seen.split('\n').at(-2)).toBe('done')
  expect(seen).toBe(await run(server))
})

test('pgx, in each of its modes, and lib/pq', { timeout: 600_000 }, async () => {
  const drivers = await goDrivers()
  const run = ({ port }: { port: number }) =>
    runCommand(drivers, [
      `postgres://${server.user}:${server.password}@127.0.0.1:${port}/${server.database}?sslmode=disable`,
    ])

  const seen = await run(door)

  expect(seen.split('\n').at(-2)).toBe('done')
  expect(seen).toBe(await run(server))
})

/** Built once for what is in `go/`. */
async function goDrivers(): Promise<string> {
  const folder = join(import.meta.dirname, 'go')
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(await readFile(join(folder, name)))
  const cache = join(import.meta.dirname, '../../node_modules/.cache/sluice')
  const built = join(cache, `drivers-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(built)) return built

  await mkdir(cache, { recursive: true })
  const workshop = await mkdtemp(join(tmpdir(), 'sluice-go-'))
  try {
    const go = await findGo(workshop)
    const output = join(workshop, 'drivers')
    await go(['build', '-C', folder, '-o', output, '.'], { CGO_ENABLED: '0' })
    await rename(output, `${built}.new`).catch(() => runCommand('cp', [output, `${built}.new`]))
    await rename(`${built}.new`, built)
    return built
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}
