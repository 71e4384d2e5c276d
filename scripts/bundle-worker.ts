/**
 * Bundles the HTTP door and a compiled policy into one worker for workerd.
 *
 *     node scripts/bundle-worker.ts [--bundle bundle] [--out .sluice/worker]
 *
 * @module
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build, type Plugin } from 'esbuild'

export interface Worker {
  /** The entry, an ES module. */
  readonly script: string
  /** The policy, which the entry imports as `./policy.wasm`: workerd compiles no module at run time. */
  readonly wasm: Uint8Array<ArrayBuffer>
}

/** @param bundle the folder that `npm run bundle` wrote */
export async function bundleWorker(bundle: string): Promise<Worker> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'gateway/runtime/workerd.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'import'],
    // Its variant for Node asks the terminal for colours.
    alias: { debug: 'debug/src/browser.js' },
    plugins: [policyBundle(bundle), builtIns],
    logLevel: 'error',
  })
  const wasm = await readFile(join(bundle, 'policy.wasm'))
  return { script: outputFiles[0]?.text ?? '', wasm: new Uint8Array(wasm) }
}

const root = resolve(import.meta.dirname, '..')

/** `sluice:bundle`: the policy's documents as they are, its module as an import of the runtime's. */
function policyBundle(folder: string): Plugin {
  return {
    name: 'sluice:bundle',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^sluice:bundle$/ }, ({ path }) => ({ path, namespace: 'sluice' }))
      onResolve({ filter: /^\.\/policy\.wasm$/, namespace: 'sluice' }, ({ path }) => ({
        path,
        external: true,
      }))
      onLoad({ filter: /.*/, namespace: 'sluice' }, async () => ({
        contents: `
          export { default as module } from './policy.wasm'
          export const manifest = ${await readFile(join(folder, '.manifest'), 'utf8')}
          export const data = ${await readFile(join(folder, 'data.json'), 'utf8')}`,
      }))
    },
  }
}

/** workerd has Node's modules under their `node:` names, and for `import` alone: a `require` becomes one. */
const builtIns: Plugin = {
  name: 'built-ins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /.*/ }, ({ path, kind }) => {
      if (!isBuiltin(path)) return undefined
      const name = path.startsWith('node:') ? path : `node:${path}`
      if (kind === 'require-call') return { path: name, namespace: 'required' }
      return { path: name, external: true }
    })
    onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({
      contents: `import * as all from '${path}'; module.exports = all.default ?? all`,
    }))
  },
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      bundle: { type: 'string', default: join(root, 'bundle') },
      out: { type: 'string', default: join(root, '.sluice/worker') },
    },
  })
  const { script, wasm } = await bundleWorker(values.bundle)
  await mkdir(values.out, { recursive: true })
  await writeFile(join(values.out, 'worker.js'), script)
  await writeFile(join(values.out, 'policy.wasm'), wasm)
  console.log(`Wrote ${values.out}`)
}
