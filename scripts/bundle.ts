/**
 * Compiles the policy: checks it, tests it, and writes `bundle/`, which is committed so that nobody needs
 * OPA to start the gateway.
 *
 *     npm run bundle                                   policies.rego to bundle/
 *     npm run bundle -- --check                        fail when bundle/ is not what policies.rego compiles to
 *     npm run bundle -- --out other mine.rego data.json
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { access, constants, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { findOpa, type Opa } from './opa.ts'
import { policyReads } from './policy-reads.ts'

const root = resolve(import.meta.dirname, '..')
const library = join(root, 'gateway', 'policy', 'postgres.rego')
const entrypoint = 'sluice/decision'
const files = ['.manifest', 'data.json', 'policy.wasm'] as const

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      out: { type: 'string', default: join(root, 'bundle') },
    },
  })
  const sources = positionals.length > 0 ? positionals : [join(root, 'policies.rego')]
  try {
    const built = await build(await findOpa(root), sources)
    await (values.check ? compare(built, values.out) : write(built, values.out))
    console.log(`${values.check ? 'Checked' : 'Wrote'} ${values.out}`)
  } catch (error) {
    console.error(`Cannot build bundle: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}

/** The files of a bundle, by name. */
export type BundleFiles = Readonly<Record<(typeof files)[number], Uint8Array<ArrayBuffer>>>

/**
 * Compiles policies (`.rego`) and their data (`.json`, `.yaml`), together with the library. Tests are found
 * beside each policy: those of `mine.rego` are in `mine_test.rego`. The same sources make the same bytes.
 * @throws Error with what OPA says, when a check or a test fails.
 */
export async function build(opa: Opa, sources: readonly string[]): Promise<BundleFiles> {
  const paths = [...sources.map((source) => resolve(source)), library]
  const policies = paths.filter((path) => path.endsWith('.rego'))
  const schema = join(root, 'gateway', 'policy', 'input.schema.json')
  await opa(root, 'check', '--strict', '--schema', schema, ...policies)
  await opa(root, 'test', ...paths, ...(await existing(policies.map(testOf))))

  const folder = await mkdtemp(join(tmpdir(), 'sluice-bundle-'))
  try {
    // File names end up in the module: compiled where no path leads out of this folder.
    const names = paths.map((path) => basename(path))
    for (const path of paths) await copyFile(path, join(folder, basename(path)), constants.COPYFILE_EXCL)
    await opa(folder, 'build', '--target=wasm', `--entrypoint=${entrypoint}`, '--output=out', ...names)
    const file = unpack(gunzipSync(await readFile(join(folder, 'out'))))
    const wasm = file('policy.wasm')
    const trees = await Promise.all(policies.map((path) => opa(root, 'parse', '--format', 'json', path)))
    const reads = policyReads(trees.map((tree) => JSON.parse(tree)))
    const revision = (await digest(paths)).slice(0, 16)
    const metadata = { sluice: { reads, digest: sha256(wasm) } }
    return {
      '.manifest': json({ ...parseJson(file('.manifest')), revision, metadata }),
      'data.json': json(parseJson(file('data.json'))),
      'policy.wasm': wasm,
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function write(built: BundleFiles, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const name of files) await writeFile(join(folder, name), built[name])
}

/** @throws Error naming the files of the folder that are not as built. */
export async function compare(built: BundleFiles, folder: string): Promise<void> {
  const different: string[] = []
  for (const name of files) {
    const committed = await readFile(join(folder, name)).catch(() => undefined)
    if (!committed?.equals(built[name])) different.push(name)
  }
  if (different.length > 0) {
    throw new Error(
      `"${folder}" is not what the policy compiles to (${different.join(', ')}): run npm run bundle`,
    )
  }
}

function testOf(policy: string): string {
  return policy.replace(/\.rego$/, '_test.rego')
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const checks = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  )
  return paths.filter((_, index) => checks[index])
}

/** Of names and contents, so that the revision tells which sources it stands for. */
async function digest(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths)
    hash
      .update(`${basename(path)}\0`)
      .update(await readFile(path))
      .update('\0')
  return hash.digest('hex')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parseJson(bytes: Uint8Array): object {
  return JSON.parse(new TextDecoder().decode(bytes))
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
}

const block = 512

/** The files of a tar archive (POSIX ustar), without the leading slash that OPA gives them. */
function unpack(archive: Uint8Array<ArrayBuffer>): (name: string) => Uint8Array<ArrayBuffer> {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>()
  for (let at = 0; archive[at]; ) {
    const [name = ''] = new TextDecoder().decode(archive.subarray(at, at + 100)).split('\0')
    const size = Number.parseInt(new TextDecoder().decode(archive.subarray(at + 124, at + 136)), 8)
    contents.set(name.replace(/^\//, ''), archive.subarray(at + block, at + block + size))
    at += block + Math.ceil(size / block) * block
  }
  return (name) => {
    const content = contents.get(name)
    if (!content) throw new Error(`opa built a bundle without ${name}`)
    return content
  }
}

if (import.meta.main) await main()
