/** The demo is the first thing that a newcomer runs: every scene of its tour must come out as it says. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runtimeCommand } from './support/spawn-gateway.ts'

const root = join(import.meta.dirname, '..')
const timeoutMs = 180_000

describe.each([
  { runtime: 'node', clients: 'psql and curl' },
  { runtime: 'deno', clients: 'the pg driver and fetch' },
] as const)('the demo on $runtime with $clients', ({ runtime, clients }) => {
  let directory: string
  let output = ''
  let code: number | null

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
    const path = clients === 'psql and curl' ? process.env.PATH : await bareMachine(join(directory, 'bin'))
    const [command, ...flags] = runtimeCommand(runtime)
    const child = spawn(
      command,
      [...flags, 'demo/demo.ts', '--once', '--directory', join(directory, 'state')],
      {
        cwd: root,
        env: { ...process.env, PATH: path },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    ;[code] = await once(child, 'close')
  }, timeoutMs)

  afterAll(() => rm(directory, { recursive: true, force: true }))

  test('the tour ends well', () => {
    expect(output).not.toContain('✗')
    expect(code, output).toBe(0)
  })

  test('the backup agent reads', () => {
    expect(scene(1)).toMatch(/│ +shipped +\| +207 /)
  })

  test("the reporting agent's DELETE is refused, and its session goes on", () => {
    expect(scene(2)).toMatch(/│ ERROR: /)
    expect(scene(2)).toMatch(/│ HINT: /)
    expect(scene(2)).not.toMatch(/│ DELETE \d/)
    expect(scene(2)).toMatch(/│ +62\n/)
  })

  test('an account that may create databases cannot create one through Sluice', () => {
    const [direct, through] = scene(3).split('It can.')

    expect(direct).toMatch(/│ CREATE\b/)
    expect(through).not.toMatch(/│ CREATE\b/)
    expect(through).toMatch(/│ ERROR: .*CREATE DATABASE/)
    expect(through).toMatch(/│ INSERT 0 1\n/)
  })

  test('an expired token gets nowhere', () => {
    expect(scene(4)).toMatch(/expired/)
    expect(scene(4)).not.toContain('(1 row')
  })

  test('the support agent sees customers without their addresses, over SQL and over HTTP', () => {
    expect(scene(5)).toMatch(/│ +1 +\| Nuno Sato +\| /)
    expect(scene(5)).toMatch(/│ .*"name": ?"Nuno Sato"/)
    expect(scene(5)).not.toMatch(/@|nuno\.sato|\+49/)
  })

  test('the support agent gets to no address in four other ways, and is told why', () => {
    const ways = scene(6).split('support-agent $').slice(1)

    expect(ways).toHaveLength(4)
    expect(ways[0]).toMatch(/│ +1 +\| +\[masked\]/)
    expect(ways[1]).toMatch(/│ ERROR: .*WHERE decides by masked column "public\.customers\.email"/)
    expect(ways[2]).toMatch(/│ ERROR: .*ORDER BY sorts by masked column "public\.customers\.email"/)
    expect(ways[3]).toMatch(/│ +1 +\|\s*\n/)
    expect(scene(6).replaceAll('nuno.%', '')).not.toMatch(/@|nuno/i)
    expect(scene(6)).toMatch(/│ ✓ Allowed; 2 of 3 outputs are masked\n/)
  })

  test('the cleanup waits until a person has agreed, and then runs', () => {
    const [before, after] = scene(7).split('$ npx sluice approvals approve')

    expect(before).toMatch(/│ NOTICE: /)
    expect(before).not.toMatch(/│ DELETE \d/)
    expect(after).toMatch(/│ DELETE 40\n/)
  })

  test('all of it is on record, and the record is intact', () => {
    for (const agent of ['backup-agent', 'reporting-agent', 'ci-job', 'support-agent', 'cleanup-agent']) {
      expect(scene(8)).toContain(agent)
    }
  })

  if (clients === 'psql and curl') {
    test('README shows what the tour prints', async () => {
      const readme = await readFile(join(root, 'README.md'), 'utf8')
      const shown = [...readme.matchAll(/^```console\n(.*?)^```/gms)].flatMap(([, block = '']) =>
        lines(block),
      )
      const printed = new Set(lines(output))

      expect(shown.length).toBeGreaterThan(30)
      expect(shown.filter((line) => !printed.has(line))).toEqual([])
    })
  }

  /** What the tour printed under that number. */
  function scene(number: number): string {
    return output.split(/^\d+\. /m)[number] ?? ''
  }
})

/** The lines of a text without what differs from run to run: ids, times, ports. */
function lines(text: string): string[] {
  const ids = /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32}-0\b/g
  const times = /\b\d\d:\d\d:\d\d\.\d{3}\b/g
  const ports = /127\.0\.0\.1(:|", port | -p )\d+/g
  return text
    .replace(ids, 'ID')
    .replace(times, 'TIME')
    .replace(ports, '127.0.0.1$1PORT')
    .split('\n')
    .map((line) => line.replace(/^ *│/, '').trim())
    .filter((line) => line !== '')
}

/** A PATH with what every Linux has, and without clients. */
async function bareMachine(folder: string): Promise<string> {
  await mkdir(folder)
  for (const command of ['sh', 'cp', 'chown', 'rm', 'sleep'])
    await symlink(`/bin/${command}`, join(folder, command))
  return folder
}
