/**
 * A compiled policy: the files that `opa build -t wasm` makes, read and checked.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { PolicyError } from './policy-error.ts'

/** The one rule that the gateway asks, whatever the protocol. */
export const entrypoint = 'sluice/decision'

export interface Bundle {
  /** Names this policy in decisions, logs and recordings. */
  readonly revision: string
  readonly module: WebAssembly.Module
  /** The document `data`. */
  readonly data: object
  /**
   * Paths of the input that the rules can read (`operation.facts.commands`; `input` for all of it), as
   * `npm run bundle` found them. `undefined` when nobody vouches for the list: then nothing is cached.
   */
  readonly reads: readonly string[] | undefined
}

/** Reads one file of a bundle by its name in the archive (`policy.wasm`), from a folder or an unpacked download. */
export type ReadFile = (name: string) => Promise<Uint8Array<ArrayBuffer>>

/**
 * Reads and compiles a bundle.
 * @throws PolicyError saying which file is wrong, and how.
 */
export async function readBundle(readFile: ReadFile): Promise<Bundle> {
  const manifest = parseManifest(await readJson(readFile, '.manifest'))
  const data = await readJson(readFile, 'data.json')
  const wasm = await attempt(`Cannot read bundle: "${manifest.module}"`, readFile(manifest.module))
  const module = await attempt(`Cannot compile bundle: "${manifest.module}"`, WebAssembly.compile(wasm))
  // A list of reads that was made for another module says nothing about this one.
  const isVouchedFor = manifest.digest === createHash('sha256').update(wasm).digest('hex')
  return bundle(manifest, data, module, isVouchedFor ? manifest.reads : undefined)
}

/**
 * A bundle whose module the runtime compiled already: workerd has no compiler at run time, so there the
 * three files are imports of the worker.
 * @throws PolicyError saying which file is wrong, and how.
 */
export function importBundle(files: {
  readonly manifest: unknown
  readonly data: unknown
  readonly module: WebAssembly.Module
}): Bundle {
  const manifest = parseManifest(files.manifest)
  return bundle(manifest, files.data, files.module, manifest.reads)
}

function bundle(
  { revision }: Manifest,
  data: unknown,
  module: WebAssembly.Module,
  reads: readonly string[] | undefined,
): Bundle {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new PolicyError('Cannot read bundle: "data.json" must be an object')
  }
  return { revision, module, data, reads }
}

interface Manifest {
  readonly revision: string
  readonly module: string
  readonly reads: readonly string[] | undefined
  readonly digest: string | undefined
}

// OPA's bundle format; keys that this gateway does not need are not its business.
const manifestSchema = z.object({
  revision: z.string().min(1, 'must not be empty'),
  wasm: z.array(z.object({ entrypoint: z.string(), module: z.string() })),
  metadata: z
    .object({
      sluice: z.object({ reads: z.array(z.string()), digest: z.string() }).optional(),
    })
    .optional(),
})

function parseManifest(value: unknown): Manifest {
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new PolicyError(
      `Cannot read bundle: ".manifest" is not a wasm bundle's: "${issue?.path.join('.')}" ${issue?.message}`,
    )
  }
  const { revision, wasm, metadata } = parsed.data
  const module = wasm.find((entry) => entry.entrypoint === entrypoint)?.module
  if (!module) {
    throw new PolicyError(
      `Cannot read bundle: ".manifest" has no wasm module for entry point "${entrypoint}"`,
    )
  }
  const sluice = metadata?.sluice
  return { revision, module: module.replace(/^\//, ''), reads: sluice?.reads, digest: sluice?.digest }
}

async function readJson(readFile: ReadFile, name: string): Promise<unknown> {
  const text = new TextDecoder().decode(await attempt(`Cannot read bundle: "${name}"`, readFile(name)))
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PolicyError(`Cannot read bundle: "${name}" is not JSON`, { cause })
  }
}

async function attempt<T>(action: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    throw new PolicyError(`${action} (${cause instanceof Error ? cause.message : String(cause)})`, { cause })
  }
}
