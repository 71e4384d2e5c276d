import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { suiteFolder } from './fetch-regression-suite.ts'
import { runSuite } from './regression-suite.ts'

/** Rich in queries, and poor in what changes the catalog, which has to be read anew after each. */
const usual = ['test_setup', 'select', 'subselect', 'union', 'join', 'with', 'window', 'groupingsets', 'case']
const files = process.env.REGRESSION_FILES?.split(' ') ?? usual

/** Run `node test/sql/cross-check/fetch-regression-suite.ts` to have it. */
test.skipIf(!existsSync(suiteFolder))(
  "the facts of PostgreSQL's own regression suite miss nothing",
  async () => {
    const all = readdirSync(suiteFolder).map((name) => name.replace(/\.sql$/, ''))
    const { compared, lies, unresolved } = await runSuite(15, suiteFolder, files[0] === 'all' ? all : files)

    expect(lies).toEqual([])
    expect(unresolved.length).toBeLessThan(compared / 100)
    expect(compared).toBeGreaterThan(400)
  },
  900_000,
)
