import { expect, test } from 'vitest'
import { runCommand } from '../support/child.ts'

/** Makes 64 MB that nothing needs any more, then does nothing. @returns what the script prints: MB of the heap, before and after */
function idling(first: string): Promise<string> {
  const script = `
    ${first}
    let kept = []
    for (let i = 0; i < 400_000; i++) kept.push({ i, text: [i, i + 1, i + 2] })
    const used = () => Math.round(process.memoryUsage().heapUsed / 1e6)
    const before = used()
    kept = undefined
    setTimeout(() => console.log(before, used(), typeof gc), 1_500)`
  return runCommand('node', ['--input-type=module', '-e', script])
}

test('a process that has nothing to do gives back what it does not need, and one that is left to V8 does not', async () => {
  const module = new URL('../../gateway/runtime/collect-when-idle.ts', import.meta.url).href
  const collecting = await idling(
    `const { collectWhenIdle } = await import(${JSON.stringify(module)}); collectWhenIdle(200)`,
  )
  const [before = 0, after = Number.NaN] = collecting.split(' ').map(Number)
  expect(before).toBeGreaterThan(30)
  expect(after).toBeLessThan(before / 2)
  expect(collecting).toContain('undefined')

  const [left = 0, stillThere = 0] = (await idling('')).split(' ').map(Number)
  expect(stillThere).toBeGreaterThan(left / 2)
})
