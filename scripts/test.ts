/**
 * `npm test`: installs what is missing, then runs every check and every test.
 * Arguments go to vitest (`npm test -- test/config.test.ts`). The last line holds the counts.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setup } from './setup.ts'

const root = dirname(import.meta.dirname)
process.chdir(root)
process.env.PATH = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)

interface Counts {
  readonly passed: number
  readonly failed: number
}

try {
  await setup()
  const checks = [
    await check('types', ['tsc', '--noEmit']),
    await check('style', ['biome', 'check', '--error-on-warnings', '.']),
    await check('deno', ['deno', 'check', '--quiet', 'gateway', 'plugins']),
    await check('bundle', ['node', 'scripts/bundle.ts', '--check']),
  ]
  const all = [...checks, await vitest(process.argv.slice(2))]
  report({
    passed: all.reduce((sum, counts) => sum + counts.passed, 0),
    failed: all.reduce((sum, counts) => sum + counts.failed, 0),
  })
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  report({ passed: 0, failed: 1 })
}

function report({ passed, failed }: Counts): void {
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}

/** One command that says something only when it fails. */
async function check(name: string, command: readonly string[]): Promise<Counts> {
  const started = performance.now()
  const { code, output } = await run(command, 'pipe')
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (code === 0) {
    console.log(`✓ ${name} (${seconds} s)`)
    return { passed: 1, failed: 0 }
  }
  console.log(`✗ ${name} (${seconds} s): ${command.join(' ')}\n${output}`)
  return { passed: 0, failed: 1 }
}

async function vitest(args: readonly string[]): Promise<Counts> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  const file = join(directory, 'results.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const { code } = await run(['vitest', 'run', ...reporters, ...args], 'inherit')
    const results: unknown = JSON.parse(await readFile(file, 'utf8'))
    const passed = numberIn(results, 'numPassedTests')
    const failed = numberIn(results, 'numFailedTests')
    // A file that cannot be loaded and an error that nobody caught fail the run without failing a test.
    return { passed, failed: code === 0 ? failed : Math.max(failed, 1) }
  } catch (error) {
    console.error(`Cannot read test results: ${error instanceof Error ? error.message : error}`)
    return { passed: 0, failed: 1 }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function numberIn(results: unknown, key: string): number {
  const value = typeof results === 'object' && results !== null ? Reflect.get(results, key) : undefined
  if (typeof value !== 'number') throw new Error(`"${key}" must be a number`)
  return value
}

function run(
  [command = '', ...args]: readonly string[],
  output: 'pipe' | 'inherit',
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', output, output] })
    let text = ''
    child.stdout?.on('data', (chunk) => (text += chunk))
    child.stderr?.on('data', (chunk) => (text += chunk))
    child.once('error', (error) => resolve({ code: null, output: error.message }))
    child.once('close', (code) => resolve({ code, output: text }))
  })
}
