/**
 * Fetches PostgreSQL's own regression suite with apt, for the test that reads it: `node
 * test/sql/cross-check/fetch-regression-suite.ts`. It is not ours to commit, so it goes to a cache.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where its `.sql` files are once they are fetched. */
export const suiteFolder = fileURLToPath(
  new URL('../../../node_modules/.cache/sluice/postgresql-15-regress', import.meta.url),
)

const source = 'postgresql-15'

if (import.meta.main) fetchSuite()

function fetchSuite(): void {
  if (existsSync(suiteFolder)) return
  const work = mkdtempSync(join(tmpdir(), 'sluice-suite-'))
  try {
    const apt = privateApt(work)
    execFileSync('apt-get', [...apt, 'update'], { stdio: 'inherit' })
    download(apt, work)
    const [archive] = globSync(join(work, '*.orig.tar.*'))
    if (archive === undefined) throw new Error(`Cannot fetch ${source}: no archive came`)
    execFileSync('tar', ['-xf', archive, '-C', work, '--wildcards', '*/src/test/regress/sql/*.sql'])
    const [sql] = globSync(join(work, '*/src/test/regress/sql'))
    if (sql === undefined) throw new Error(`Cannot fetch ${source}: the archive has no regression suite`)
    mkdirSync(dirname(suiteFolder), { recursive: true })
    cpSync(sql, suiteFolder, { recursive: true })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Sources of the packages that the system already gets, with lists of their own: nothing of the system changes. */
function privateApt(work: string): readonly string[] {
  const lines = globSync(['/etc/apt/sources.list', '/etc/apt/sources.list.d/*.list'])
    .map((file) => readFileSync(file, 'utf8').replaceAll(/^deb\s/gm, 'deb-src '))
    .join('\n')
  const stanzas = globSync('/etc/apt/sources.list.d/debian*.sources')
    .map((file) => readFileSync(file, 'utf8').replaceAll(/^Types:.*$/gm, 'Types: deb-src'))
    .join('\n\n')
  const parts = join(work, 'sources')
  for (const folder of [parts, join(work, 'lists/partial'), join(work, 'cache/archives/partial')]) {
    mkdirSync(folder, { recursive: true })
  }
  writeFileSync(join(parts, 'sluice.list'), lines)
  writeFileSync(join(parts, 'sluice.sources'), stanzas)
  return [
    ...['-o', 'Dir::Etc::sourcelist=/dev/null', '-o', `Dir::Etc::sourceparts=${parts}`],
    ...['-o', `Dir::State::lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${join(work, 'cache')}`],
  ]
}

/** The newest version that can still be had: a mirror may list what it no longer holds. */
function download(apt: readonly string[], work: string): void {
  const listed = execFileSync('apt-cache', [...apt, 'showsrc', source], { encoding: 'utf8' })
  const versions = new Set([...listed.matchAll(/^Version: (.*)$/gm)].map(([, version]) => version))
  for (const version of versions) {
    try {
      execFileSync('apt-get', [...apt, 'source', '--download-only', `${source}=${version}`], {
        cwd: work,
        stdio: 'inherit',
      })
      return
    } catch {
      // The next one, or the error below.
    }
  }
  throw new Error(`Cannot fetch ${source}: none of its versions could be downloaded`)
}
