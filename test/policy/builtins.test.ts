import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { policy } from '../../gateway/policy/policy.ts'
import { compileBundle, compileTimeout, opa } from './compile.ts'
import { logs } from './logs.ts'
import { request } from './questions.ts'

// What OPA's own evaluator says about each expression is the measure. Undefined is an answer, too.
const expressions = [
  'time.parse_rfc3339_ns("2026-03-04T05:06:07Z")',
  'time.parse_rfc3339_ns("2026-03-04T05:06:07.089+02:00")',
  'time.parse_rfc3339_ns("2026-02-30T00:00:00Z")',
  'time.parse_rfc3339_ns("2024-02-29T23:59:59.5Z")',
  'time.parse_rfc3339_ns("2026-03-04T24:00:00Z")',
  'time.parse_rfc3339_ns("2300-01-01T00:00:00Z")',
  'time.parse_rfc3339_ns("yesterday")',
  'time.parse_rfc3339_ns("2026-03-04")',
  'time.clock(1772600767000000000)',
  'time.clock([1772600767000000000, "Asia/Kolkata"])',
  'time.clock([1772600767000000000, "Atlantis"])',
  'time.clock([1772600767000000000, ""])',
  'time.clock(0)',
  'time.date(1772600767000000000)',
  'time.date([1772665200000000000, "Europe/Berlin"])',
  'time.date([1772600767000000000, "America/New_York"])',
  'time.weekday(1772600767000000000)',
  'time.weekday([1772600767000000000, "Pacific/Auckland"])',
  'crypto.sha256("ü")',
  'strings.any_prefix_match("abc", "ab")',
  'strings.any_prefix_match({"abc", "x"}, {"y", "ab"})',
  'strings.any_prefix_match(["abc"], ["bc"])',
  'strings.any_suffix_match(["abc", "d"], "bc")',
  'strings.any_suffix_match([], ["bc"])',
  'json.is_valid("{}")',
  'json.is_valid("{")',
  'sprintf("%s is %d of %v", ["a", 7, "b"])',
  'net.cidr_contains("10.0.0.0/8", "10.1.2.3")',
  'net.cidr_contains("10.0.0.0/8", "11.1.2.3")',
  'net.cidr_contains("2001:db8::/32", "2001:db8::1")',
  'regex.match("^a.c$", "abc")',
  'glob.match("*.example", ["."], "a.example")',
  'object.get({"a": {"b": 1}}, ["a", "b"], 2)',
]

test('functions answer as in OPA', { timeout: compileTimeout }, async () => {
  // One module for all expressions; the answer to the i-th is told as a reason.
  const values = expressions.map((text, index) => `value[${index}] := ${text}`).join('\n')
  const rego = `package sluice
    decision := {"version": 1, "allow": false, "deny": deny}
    deny contains json.marshal(value[input.operation.facts.body])
    ${values}`
  const { decide } = policy({ bundle: await compileBundle(rego), log: logs(), now: Date.now })

  const ours = expressions.map((_, body) => {
    const decision = decide(request('a', 'GET', '/', { body }))
    const [reason = ''] = decision.reasons
    return reason === 'no rule allows this' ? 'undefined' : reason
  })

  expect(Object.fromEntries(expressions.map((text, index) => [text, ours[index]]))).toEqual(
    await askOpa(rego),
  )
})

/** The same module, evaluated by OPA. */
async function askOpa(rego: string): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-builtins-'))
  try {
    await writeFile(join(folder, 'policy.rego'), rego)
    const printed = await opa(
      folder,
      'eval',
      '--data',
      'policy.rego',
      'value := data.sluice.value[i]; text := json.marshal(value)',
    )
    const { result = [] } = JSON.parse(printed) as { result?: { bindings: { i: number; text: string } }[] }
    const answers = new Map(result.map(({ bindings }) => [bindings.i, bindings.text]))
    return Object.fromEntries(expressions.map((text, index) => [text, answers.get(index) ?? 'undefined']))
  } finally {
    await rm(folder, { recursive: true })
  }
}
