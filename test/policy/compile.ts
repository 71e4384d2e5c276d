import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Bundle, readBundle } from '../../gateway/policy/bundle.ts'
import { type BundleFiles, build } from '../../scripts/bundle.ts'
import { findOpa } from '../../scripts/opa.ts'

export const root = resolve(import.meta.dirname, '../..')

/** Long enough to install OPA with Go, where it is not there yet. */
export const compileTimeout = 600_000

export const opa = await findOpa(root)

/** Compiles Rego with the official compiler, as `npm run bundle` does. */
export async function compile(rego: string): Promise<BundleFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-policy-'))
  try {
    const source = join(folder, 'policy.rego')
    await writeFile(source, rego)
    return await build(opa, [source])
  } finally {
    await rm(folder, { recursive: true })
  }
}

export function read(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>): Promise<Bundle> {
  return readBundle(async (name) => {
    const file = files[name]
    if (!file) throw new Error('no such file')
    return file
  })
}

export async function compileBundle(rego: string): Promise<Bundle> {
  return read(await compile(rego))
}
