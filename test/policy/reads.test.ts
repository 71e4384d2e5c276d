import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { policyReads } from '../../scripts/policy-reads.ts'
import { compileTimeout, opa } from './compile.ts'

test.each([
  ['a plain reference', 'x := input.target.name', ['target.name']],
  ['a key in brackets', 'x := input["target"]["name"]', ['target.name']],
  [
    'each path once, the wider one for both',
    'x := [input.target, input.target.name, input.target]',
    ['target'],
  ],
  ['up to the first variable', 'x := input.operation.facts.relations[i].name', ['operation.facts.relations']],
  ['up to the first number', 'x := input.operation.parameters[0]', ['operation.parameters']],
  ['an index that is a reference itself', 'x := input.a[input.b.c]', ['a', 'b.c']],
  ['a loop', 'x if { some group in input.principal.groups; group == "a" }', ['principal.groups']],
  ['every', 'x if every r in input.a.b { r == input.c }', ['a.b', 'c']],
  ['a comprehension', 'x := {y | y := input.a.b[_]; y != input.c}', ['a.b', 'c']],
  ['an argument', 'x := count(input.operation.facts.commands)', ['operation.facts.commands']],
  ['the head of a rule', 'x contains input.a if true', ['a']],
  ['the key of an object', 'x := {input.a: 1}', ['a']],
  ['else', 'x := 1 if { false } else := input.a', ['a']],
  ['a default argument of a function', 'x := f(input.a)\nf(y) := y.b', ['a']],
  ['an alias of a part', 'part := input.a\nx := part.b', ['a']],
  ['an import', 'import input.a.b as part\nx := part.c', ['a.b']],
  ['an alias of everything', 'x if { all := input; all.a == 1 }', ['input']],
  ['everything as an argument', 'x := object.get(input, ["a"], 1)', ['input']],
  ['a variable in the first place', 'x if { some key; input[key] }', ['input']],
  ['everything walked through', 'x if { walk(input, [_, 1]) }', ['input']],
  ['everything replaced', 'x if { y with input as {"a": 1} }\ny if input.a == 1', ['input']],
  ['a part replaced', 'x if { y with input.b as 1 }\ny if input.a == 1', ['a', 'b']],
  ['nothing', 'x := "input"', []],
])('the paths that rules read are found: %s', { timeout: compileTimeout }, async (_, rego, reads) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-reads-'))
  try {
    await writeFile(join(folder, 'policy.rego'), `package sluice\n${rego}\n`)

    const tree: unknown = JSON.parse(await opa(folder, 'parse', '--format', 'json', 'policy.rego'))

    expect(policyReads(tree)).toEqual(reads)
  } finally {
    await rm(folder, { recursive: true })
  }
})
