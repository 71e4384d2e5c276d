/** What README and docs say can be followed: links lead somewhere, files exist, and examples are valid. */
import { existsSync, globSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from '../gateway/chain.ts'
import { readConfig } from '../gateway/config.ts'
import type { Plugin, PluginFactory } from '../gateway/plugin.ts'
import { nodeFiles } from '../gateway/runtime/node-files.ts'
import { compile, compileTimeout, root } from './policy/compile.ts'
import { runCommand } from './support/child.ts'
import { establishedSession, sqlOperation } from './support/operations.ts'
import { silentLog } from './support/silent-log.ts'

const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root })
const readme = await readPage('README.md')

test.each(pages)('every link in %s leads to a file, and to a heading that it has', async (page) => {
  const links = [...(await readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)

  const broken = []
  for (const link of links.filter((each) => !/^https?:/.test(each))) {
    const [path = '', heading] = link.split('#')
    const file = join(dirname(page), path || '.')
    const isThere = existsSync(join(root, file)) && (!heading || (await headings(file)).includes(heading))
    if (!isThere) broken.push(link)
  }

  expect(broken).toEqual([])
})

test.each(pages)('every file that %s names is there', async (page) => {
  const rooms = '(?:gateway|plugins|test|docs|demo|bench|scripts|examples|bundle|bin)'
  const prose = (await readPage(page)).replaceAll(/^```.*?^```/gms, '')
  const named = [...prose.matchAll(RegExp(`\`(${rooms}/[\\w./-]*)\``, 'g'))].map(([, path = '']) => path)

  const missing = named.filter((path) => !existsSync(join(root, path)))

  // Made by a run, and not kept.
  expect(missing.filter((path) => !path.startsWith('bench/results'))).toEqual([])
})

test('every command that README and docs run is one of package.json', async () => {
  const { scripts } = JSON.parse(await readPage('package.json')) as { scripts: Record<string, string> }
  const texts = await Promise.all(pages.map(readPage))

  const commands = texts.flatMap((text) => [...text.matchAll(/npm run (\w+)/g)].map(([, name = '']) => name))

  expect(commands.length).toBeGreaterThan(0)
  expect([...new Set(commands)].filter((name) => !(name in scripts))).toEqual([])
})

test('package.json and deno.json have the same commands', async () => {
  const { scripts } = JSON.parse(await readPage('package.json')) as { scripts: object }
  const { tasks } = JSON.parse(await readPage('deno.json')) as { tasks: object }

  expect(Object.keys(tasks).sort()).toEqual(Object.keys(scripts).sort())
})

test('the rules in README compile in the shipped policy', { timeout: compileTimeout }, async () => {
  const rules = examples('rego')

  await compile([await readPage('policies.rego'), ...rules].join('\n'))

  expect(rules).toHaveLength(2)
})

test('the configuration in README, with its plugin, can be used', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-readme-'))
  try {
    const file = join(folder, 'sluice.yaml')
    await writeFile(file, examples('yaml').join(''))

    const config = await readConfig(file, { files: nodeFiles, env: { CRM_PASSWORD: 'secret' } })

    expect(config.targets).toMatchObject([{ name: 'crm', kind: 'postgres' }])
    expect(config.plugins).toHaveLength(6)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the plugin in README has the right types, and nothing runs at night', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-readme-'))
  try {
    const [source = ''] = examples('ts')
    const file = join(folder, 'quiet-hours.ts')
    await writeFile(file, source.replaceAll("'../gateway/", `'${join(root, 'gateway')}/`))
    await checkTypes(folder)
    const { default: quietHours }: { default: PluginFactory } = await import(file)
    const decisions = async (hour: string) => {
      const decided: unknown[] = []
      const now = () => Date.parse(`2026-01-31T${hour}:30:00Z`)
      const plugin = await quietHours({ from: 20, to: 6 }, { log: silentLog, now })
      const target = async function* () {}
      const watching: Plugin = {
        name: 'watching',
        async *handle(context, next) {
          decided.push(context.decision?.effect)
          yield* next()
        },
      }
      const { signal } = new AbortController()
      const result = run([plugin, watching], target, establishedSession(), sqlOperation(), signal)
      await Array.fromAsync(result).catch(() => {}) // nobody allows it
      return decided
    }

    expect(await decisions('19')).toEqual([undefined])
    expect(await decisions('20')).toEqual(['deny'])
    expect(await decisions('05')).toEqual(['deny'])
    expect(await decisions('06')).toEqual([undefined])
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function checkTypes(folder: string): Promise<void> {
  const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')] }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await runCommand(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '--project', folder])
}

/** The blocks of code in README of one language. */
function examples(language: string): string[] {
  return [...readme.matchAll(RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text)
}

/** The headings of a page, as links name them. */
async function headings(page: string): Promise<string[]> {
  return [...(await readPage(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

function readPage(page: string): Promise<string> {
  return readFile(join(root, page), 'utf8')
}
