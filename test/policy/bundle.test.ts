import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importBundle } from '../../gateway/policy/bundle.ts'
import { Evaluator } from '../../gateway/policy/evaluator.ts'
import { build, compare } from '../../scripts/bundle.ts'
import { findOpa } from '../../scripts/opa.ts'
import { compile, compileTimeout, opa, read, root } from './compile.ts'

const run = promisify(execFile)

describe('the committed bundle', () => {
  test('is what policies.rego compiles to, and its tests pass', { timeout: compileTimeout }, async () => {
    await compare(await build(opa, [join(root, 'policies.rego')]), join(root, 'bundle'))
  })

  test('is found to be stale when the policy was changed', { timeout: compileTimeout }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-stale-'))
    try {
      const source = join(folder, 'policies.rego')
      const policy = await readFile(join(root, 'policies.rego'), 'utf8')
      await writeFile(source, policy.replace('"reporting"', '"reports"'))
      await cp(join(root, 'bundle'), join(folder, 'bundle'), { recursive: true })

      const check = run(process.execPath, [
        join(root, 'scripts/bundle.ts'),
        '--check',
        '--out',
        join(folder, 'bundle'),
        source,
      ])

      await expect(check).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /is not what the policy compiles to \(\.manifest, policy\.wasm\): run npm run bundle/,
        ),
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('a policy does not compile', () => {
  test.each([
    [
      'with a mistyped fact',
      'decision := {"version": 1, "allow": input.operation.facts.comands == []}',
      /undefined ref: input\.operation\.facts\.comands/,
    ],
    ['with an unused variable', 'decision := {"version": 1, "allow": true} if { x := 1 }', /var x unused/],
    ['without the entry point', 'answer := true', /sluice\/decision/],
  ])('%s', { timeout: compileTimeout }, async (_, rego, problem) => {
    await expect(compile(`package sluice\n${rego}`)).rejects.toThrow(problem)
  })

  test('when a test beside it fails', { timeout: compileTimeout }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-failing-'))
    try {
      await writeFile(join(folder, 'mine.rego'), 'package sluice\ndecision := {"version": 1, "allow": true}')
      await writeFile(
        join(folder, 'mine_test.rego'),
        'package sluice\ntest_nothing_is_allowed if not decision.allow',
      )

      await expect(build(opa, [join(folder, 'mine.rego')])).rejects.toThrow(/test_nothing_is_allowed: FAIL/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

test('without OPA and without Go, the error is the command to run', async () => {
  const { PATH, path: nowhere } = {
    PATH: process.env.PATH,
    path: await mkdtemp(join(tmpdir(), 'sluice-nowhere-')),
  }
  process.env.PATH = nowhere
  try {
    await expect(findOpa(nowhere)).rejects.toThrow(
      /put it on the PATH, or let Go build it: .* golang-go .*\s+sudo apt-get install/,
    )
  } finally {
    process.env.PATH = PATH
    await rm(nowhere, { recursive: true })
  }
})

describe('a bundle', () => {
  let files: Record<string, Uint8Array<ArrayBuffer>>

  beforeAll(async () => {
    files = {
      ...(await compile(
        'package sluice\ndecision := {"version": 1, "allow": input.target.name == data.name}',
      )),
    }
  }, compileTimeout)
  afterAll(() => {
    files = {}
  })

  test('compiles to the same bytes again', { timeout: compileTimeout }, async () => {
    expect(
      await compile('package sluice\ndecision := {"version": 1, "allow": input.target.name == data.name}'),
    ).toEqual(files)
  })

  test('says which parts of the input its rules read', async () => {
    expect(await read(files)).toMatchObject({
      reads: ['operation.facts', 'operation.kind', 'target.name'], // the first two: the library
      revision: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  })

  test('does not vouch for a module that was put in later', async () => {
    const other = await compile('package sluice\ndecision := {"version": 1, "allow": input.now < "2030"}')

    expect((await read({ ...files, 'policy.wasm': other['policy.wasm'] })).reads).toBeUndefined()
  })

  test('that plain OPA built is good, and vouches for nothing', async () => {
    const { metadata: _, ...manifest } = JSON.parse(text(files['.manifest']))

    expect(await read({ ...files, '.manifest': bytes(manifest) })).toMatchObject({ reads: undefined })
  })

  test('can be made of a module that the runtime compiled', async () => {
    const module = await WebAssembly.compile(files['policy.wasm'] ?? new Uint8Array())

    const bundle = importBundle({ manifest: JSON.parse(text(files['.manifest'])), data: {}, module })

    expect(bundle).toEqual({ ...(await read(files)), module })
    expect(new Evaluator(bundle).isTimeDependent).toBe(false)
  })

  test.each<[string, Record<string, Uint8Array<ArrayBuffer> | undefined>, string | RegExp]>([
    ['without a manifest', { '.manifest': undefined }, 'Cannot read bundle: ".manifest" (no such file)'],
    [
      'with a broken manifest',
      { '.manifest': new TextEncoder().encode('{') },
      'Cannot read bundle: ".manifest" is not JSON',
    ],
    [
      'without a revision',
      { '.manifest': bytes({ revision: '', wasm: [] }) },
      /"revision" must not be empty/,
    ],
    ['without wasm', { '.manifest': bytes({ revision: 'r' }) }, /"wasm" /],
    [
      'for another entry point',
      {
        '.manifest': bytes({ revision: 'r', wasm: [{ entrypoint: 'authz/allow', module: '/policy.wasm' }] }),
      },
      'Cannot read bundle: ".manifest" has no wasm module for entry point "sluice/decision"',
    ],
    ['without a module', { 'policy.wasm': undefined }, 'Cannot read bundle: "policy.wasm" (no such file)'],
    [
      'with a broken module',
      { 'policy.wasm': new Uint8Array([0, 97, 115, 109]) },
      /^Cannot compile bundle: "policy.wasm"/,
    ],
    ['without data', { 'data.json': undefined }, 'Cannot read bundle: "data.json" (no such file)'],
    [
      'with data that are a list',
      { 'data.json': bytes([]) },
      'Cannot read bundle: "data.json" must be an object',
    ],
  ])('%s is refused', async (_, changed, problem) => {
    const broken = Object.fromEntries(Object.entries({ ...files, ...changed }).filter(([, file]) => file))

    await expect(read(broken as typeof files)).rejects.toThrow(problem)
  })

  test('with a module that is no policy is refused', async () => {
    const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])

    const bundle = await read({ ...files, 'policy.wasm': empty })

    expect(() => new Evaluator(bundle)).toThrow(/^Cannot load policy: /)
  })

  function text(file: Uint8Array | undefined): string {
    return new TextDecoder().decode(file)
  }
})

function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value))
}
