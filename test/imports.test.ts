/** Keeps the direction of imports (docs/architecture.md): what is below never knows what is above. */
import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** From the bottom up. A file imports from lower layers and from its own room; contract files may import one another. */
const layers = [
  ['contract'],
  ['chain', 'policy', 'sql', 'identity', 'approvals', 'recordings'],
  ['masking'],
  ['http', 'postgres', 'console', 'plugins', 'stores'],
  ['config'],
  ['main'],
  ['runtime'],
  ['commands'],
  ['cli'],
]
const root = join(import.meta.dirname, '..')
const files = globSync(['gateway/**/*.ts', 'plugins/**/*.ts'], { cwd: root })

test('imports point downwards, and never from one protocol or plugin to another', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((imported) => imported.startsWith('.'))
      .map((imported) => relative(root, join(root, file, '..', imported)))
      .filter((imported) => roomOf(imported) !== roomOf(file) && layerOf(imported) >= layerOf(file))
      .map((imported) => `${file} imports ${imported}`),
  )

  expect(files.length).toBeGreaterThan(10)
  expect(wrong).toEqual([])
})

test('only runtime/, the SQLite store and the command line know which runtime they run on', () => {
  const knowing = /^gateway\/(runtime\/|stores\/sqlite-[\w-]+\.ts|cli\.ts)/
  const builtins =
    /^node:(child_process|cluster|dgram|dns|fs|http2?|https|net|os|sqlite|tls|worker_threads)\b/
  const globals = /(?<![\w.'"`])(process|Deno|Bun)\s*[.[]/
  const wrong = files
    .filter((file) => !knowing.test(file))
    .filter((file) => importsOf(file).some((name) => builtins.test(name)) || globals.test(codeOf(file)))

  expect(wrong).toEqual([])
})

function importsOf(file: string): string[] {
  return [...codeOf(file).matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
}

function codeOf(file: string): string {
  return readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}

/** `gateway/http/bearer.ts` is in `http`, `gateway/chain.ts` in `chain`; other files beside it are the contract. */
function roomOf(file: string): string {
  // The interface that every room may keep its state behind; the stores themselves are above.
  if (file === 'gateway/stores/durable-stream-store.ts') return 'contract'
  const [top = '', second = ''] = file.split('/')
  // `config-schema.ts` is a part of `config`.
  const room = top === 'gateway' ? second.replace(/(-\w+)*\.ts$/, '') : top
  return layers.flat().includes(room) ? room : 'contract'
}

function layerOf(file: string): number {
  return layers.findIndex((rooms) => rooms.includes(roomOf(file)))
}
