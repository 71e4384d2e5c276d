/**
 * One loaded policy, asked again and again, by agents who may want it dead.
 *
 * Any exception on its way through the WASM module leaves part of the module's stack behind; after some
 * thousand of them the instance fails for ever. So an instance that threw is never asked again: the next
 * question gets a new one from the compiled module, which costs half a millisecond.
 *
 * @module
 */
import * as opaWasm from '@open-policy-agent/opa-wasm'
import { builtins, supported } from './builtins.ts'
import { type Bundle, entrypoint } from './bundle.ts'
import type { Input } from './input.ts'
import { InputTooLarge, PolicyError } from './policy-error.ts'

// The package's types name its functions as exports; for ESM it exports most of them as members of `default`.
const { loadPolicySync } = (opaWasm as unknown as { default: typeof opaWasm }).default

/** Characters of JSON that a policy is asked about at most. */
export const maxInputLength = 256 * 1024
/** How deep the input may nest; the module recurses, and so does `JSON.stringify`. */
export const maxInputDepth = 64
/** 64 KiB each. An evaluation that needs more fails, and its operation is denied. */
const maxMemoryPages = 1024
/** WASM memory never shrinks: an instance that grew beyond this for one question is not kept for the next. */
const keptMemoryBytes = 16 * 1024 * 1024

export class Evaluator {
  /** True when the policy asks for the clock, so that equal questions may have different answers. */
  readonly isTimeDependent: boolean
  readonly #bundle: Bundle
  readonly #builtins: ReturnType<typeof builtins>
  #instance: opaWasm.LoadedPolicy | undefined

  /** What `time.now_ns` says: it stands still while one question is answered, as in OPA. */
  #now = 0

  /** @throws PolicyError when the bundle cannot be instantiated or needs what the gateway does not supply. */
  constructor(bundle: Bundle) {
    this.#bundle = bundle
    this.#builtins = builtins(() => this.#now)
    const instance = this.#load()
    const required = requiredBuiltins(instance)
    const missing = required.filter((name) => !supported.has(name))
    if (missing.length > 0) {
      throw new PolicyError(
        `Cannot load policy: it needs unsupported built-in functions: ${missing.join(', ')}`,
      )
    }
    if (!Object.hasOwn(instance.entrypoints, entrypoint)) {
      throw new PolicyError(`Cannot load policy: it has no entry point "${entrypoint}"`)
    }
    this.isTimeDependent = required.includes('time.now_ns')
    this.#instance = instance
  }

  /**
   * Asks the policy.
   * @returns what the entry point says, unchecked.
   * @throws PolicyError when the input is too large or deep, the policy fails, or it has not exactly one answer.
   */
  evaluate(input: Input): unknown {
    const json = encode(input)
    this.#now = Date.parse(input.now)
    this.#instance ??= this.#load()
    let results: unknown
    try {
      results = this.#instance.evaluate(json, entrypoint)
    } catch (cause) {
      this.#instance = undefined
      throw new PolicyError(`Cannot evaluate policy: ${describe(cause)}`, { cause })
    }
    if (this.#instance.mem.buffer.byteLength > keptMemoryBytes) this.#instance = undefined
    if (!Array.isArray(results) || results.length !== 1) {
      throw new PolicyError('Cannot evaluate policy: it must give one answer, got none or several')
    }
    return results[0]?.result
  }

  #load(): opaWasm.LoadedPolicy {
    try {
      const instance = loadPolicySync(
        this.#bundle.module,
        { initial: 5, maximum: maxMemoryPages },
        this.#builtins,
      )
      instance.setData(this.#bundle.data)
      return instance
    } catch (cause) {
      throw new PolicyError(`Cannot load policy: ${describe(cause)}`, { cause })
    }
  }
}

/** The input as JSON that OPA's parser takes: bounded, and without lone surrogates. */
function encode(input: Input): ArrayBuffer {
  if (!isWithin(input, maxInputDepth)) {
    throw new InputTooLarge(`Cannot evaluate policy: the input is deeper than ${maxInputDepth} levels`)
  }
  const text = JSON.stringify(input)
  if (text.length > maxInputLength) {
    throw new InputTooLarge(`Cannot evaluate policy: the input is longer than ${maxInputLength} characters`)
  }
  return new Uint8Array(new TextEncoder().encode(wellFormed(text))).buffer
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  return Object.values(value).every((inner) => isWithin(inner, depth - 1))
}

/**
 * `JSON.stringify` writes a lone surrogate as an escape (`\ud800`), at which OPA's parser throws. In JSON
 * text this does what `toWellFormed()` does to a string, keys included.
 */
function wellFormed(json: string): string {
  return json.includes('\\ud')
    ? json.replace(/\\(?:\\|ud[89a-f]..)/g, (e) => (e === '\\\\' ? e : '\\ufffd'))
    : json
}

/** Names of the built-in functions that the module cannot do itself and calls back for. */
function requiredBuiltins({ wasmInstance, mem }: opaWasm.LoadedPolicy): string[] {
  // Since OPA's ABI 1.0: https://www.openpolicyagent.org/docs/wasm#exports
  const { opa_json_dump: dump, builtins } = (wasmInstance as WebAssembly.Instance).exports as {
    opa_json_dump: (address: number) => number
    builtins: () => number
  }
  const start = dump(builtins())
  const memory = new Uint8Array(mem.buffer)
  return Object.keys(JSON.parse(new TextDecoder().decode(memory.subarray(start, memory.indexOf(0, start)))))
}

/** opa-wasm throws strings and bare objects as well as errors. */
function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  if (typeof thrown === 'object' && thrown && 'message' in thrown) return String(thrown.message)
  return 'it threw something that is no error'
}
