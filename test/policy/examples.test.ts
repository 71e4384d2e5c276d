import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { policy } from '../../gateway/policy/policy.ts'
import { build } from '../../scripts/bundle.ts'
import { compileTimeout, opa, read, root } from './compile.ts'
import { logs } from './logs.ts'
import { statement, table } from './questions.ts'

const folder = join(root, 'examples/policies')
const files = await readdir(folder)
const examples = files.filter((file) => file.endsWith('.rego') && !file.endsWith('_test.rego'))
const docs = await readFile(join(root, 'docs/policy.md'), 'utf8')

test.each(examples)(
  'the example %s is checked and tested, and the gateway can use it',
  { timeout: compileTimeout },
  async (example) => {
    const data = example.replace('.rego', '.json')
    const sources = files.includes(data) ? [example, data] : [example]

    const bundle = await read(
      await build(
        opa,
        sources.map((source) => join(folder, source)),
      ),
    )

    const log = logs()
    const { decide } = policy({ bundle, log, now: Date.now })
    expect(files).toContain(example.replace('.rego', '_test.rego'))
    expect(decide(statement('strangers', { commands: ['select'] })).effect).toBe('deny')
    expect(log.errors).toEqual([])
  },
)

test('the example of least privilege opens sessions with measures', { timeout: compileTimeout }, async () => {
  const bundle = await read(await build(opa, [join(folder, 'least-privilege.rego')]))
  const log = logs()
  const { decide } = policy({ bundle, log, now: Date.now })

  const opened = decide(statement('analysts', { commands: ['connect'] }, { action: 'connect' }))

  expect(opened).toMatchObject({
    effect: 'allow',
    session: { role: 'analyst_agent', read_only: true, statement_timeout: 30_000, row_limit: 10_000 },
    record: { parameters: 'all' },
  })
  expect(opened).not.toHaveProperty('limit')
  expect(log.errors).toEqual([])
})

test.each([
  ['mask-by-column', 'analysts', ['email hash', 'phone partial', 'card_number null']],
  ['mask-by-group', 'research', ['name redact', 'email hash', 'phone partial', 'card_number null']],
  ['mask-by-group', 'care', ['card_number null']],
  [
    'mask-by-tag',
    'support',
    ['name hash', 'email hash', 'email redact', 'phone hash', 'phone redact', 'card_number null'],
  ],
  ['mask-by-tag', 'privacy', ['card_number null']],
  ['unmasked-with-approval', 'support', ['email partial', 'phone redact', 'card_number null']],
])(
  'the gateway reads the masks of the example %s for %s',
  { timeout: compileTimeout },
  async (example, group, masks) => {
    const sources = [`${example}.rego`, `${example}.json`].filter((file) => files.includes(file))
    const bundle = await read(
      await build(
        opa,
        sources.map((source) => join(folder, source)),
      ),
    )
    const { decide } = policy({ bundle, log: logs(), now: Date.now })

    const decided = decide(
      statement(group, { commands: ['select'], relations: [table('customers', 'read')] }),
    )

    const told =
      decided.effect === 'deny'
        ? []
        : decided.masks.map((mask) => `${mask.field.split('.').at(-1)} ${mask.with}`)
    expect(decided.effect).toBe('allow')
    expect(told.sort()).toEqual(masks.sort())
  },
)

test('detectors of the policy and of the target hold together', { timeout: compileTimeout }, async () => {
  const bundle = await read(await build(opa, [join(folder, 'detectors.rego')]))
  const { decide } = policy({ bundle, log: logs(), now: Date.now })
  const { operation, session: own } = statement('support', { commands: ['select'], relations: [] })
  const session = { ...own, principal: { ...own.principal, groups: ['support', 'callers'] } }
  const asked = { operation, session, approval: undefined }
  const target = { ...session.target, detectors: ['phone', 'card'] as const }

  const [ofPolicy, ofBoth] = [asked, { ...asked, session: { ...session, target } }].map(decide)

  expect(ofPolicy).toMatchObject({ effect: 'allow', detectors: ['card', 'iban', 'secret'] })
  expect(ofBoth).toMatchObject({ effect: 'allow', detectors: ['card', 'iban', 'phone', 'secret'] })
})

test('what a data catalogue writes into the data of a bundle masks, without compiling anew', async () => {
  const built = await build(
    opa,
    ['mask-by-tag.rego', 'mask-by-tag.json'].map((file) => join(folder, file)),
  )
  const data = JSON.parse(new TextDecoder().decode(built['data.json']))
  data.catalog.shop['public.customers.country'] = ['personal']
  const bundle = await read({ ...built, 'data.json': new TextEncoder().encode(JSON.stringify(data)) })
  const { decide } = policy({ bundle, log: logs(), now: Date.now })

  const decided = decide(statement('support', { commands: ['select'] }))

  const fields = decided.effect === 'deny' ? [] : decided.masks.map(({ field }) => field)
  expect(fields).toContain('public.customers.country')
})

test('the documentation knows every example, and shows the first one as it is', async () => {
  for (const example of examples) expect(docs).toContain(`(../examples/policies/${example})`)

  expect(docs).toContain(`\`\`\`rego\n${await readFile(join(folder, 'first.rego'), 'utf8')}\`\`\``)
})

test.each([
  ['input', 0],
  ['decision', 1],
])('the %s in the documentation is as its schema says', async (name, index) => {
  const [, document = ''] = [...docs.matchAll(/```json\n(.*?)```/gs)][index] ?? []
  const schema: object = JSON.parse(await readFile(join(root, `gateway/policy/${name}.schema.json`), 'utf8'))
  const validate = new Ajv({ validateFormats: false }).compile(schema)

  validate(JSON.parse(document))

  expect(validate.errors).toBeNull()
})
