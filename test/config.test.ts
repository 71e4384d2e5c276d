import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Config, ConfigError, readConfig } from '../gateway/config.ts'
import { configJsonSchema } from '../gateway/config-schema.ts'
import { nodeFiles } from '../gateway/runtime/node-files.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-config-'))
  await writeFile(join(folder, 'cert.pem'), '-----BEGIN CERTIFICATE-----\n')
  await writeFile(join(folder, 'password'), 'from-a-file\n')
})
afterAll(() => rm(folder, { recursive: true }))

const env = { SHOP_PASSWORD: 'from-the-environment', EMPTY: '' }

const smallest = `
listen:
  postgres: { plaintext: loopback }
identity:
  issuers:
    - { issuer: "https://idp.example", audience: sluice }
store:
  sqlite: { path: ./sluice.db }
targets:
  - { name: shop, kind: postgres, host: 127.0.0.1, database: shop, user: app, password: "env:SHOP_PASSWORD" }
`

async function read(text: string): Promise<Config> {
  const file = join(folder, 'sluice.yaml')
  await writeFile(file, text)
  return readConfig(file, { files: nodeFiles, env })
}

async function problem(text: string): Promise<string> {
  const error = await read(text).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ConfigError)) throw new Error('the configuration was accepted', { cause: error })
  return error.message
}

/** The smallest configuration with one piece of text replaced. */
function changed(from: string, to: string): string {
  if (!smallest.includes(from)) throw new Error(`"${from}" is not in the example`)
  return smallest.replace(from, to)
}

describe('a configuration', () => {
  test('needs little, and the rest has defaults', async () => {
    const config = await read(smallest)

    expect(config).toMatchObject({
      listen: { postgres: { host: '127.0.0.1', port: 6432, plaintext: 'loopback' } },
      identity: { issuers: [{ groups: 'groups', subject: 'sub', skewSeconds: 5 }] },
      plugins: ['record', 'auth', 'authorize', 'approve', 'mask'],
      recording: { resultLimit: 16_384, errorTexts: 'reduced', retention: { every: 600_000 } },
      targets: [
        {
          hosts: [{ host: '127.0.0.1', port: 5432 }],
          targetSessionAttrs: 'any',
          tls: { mode: 'disable', negotiation: 'postgres' },
          authentication: { channelBinding: 'prefer' },
          limits: { connect: 10_000 },
          labels: {},
        },
      ],
      log: { level: 'info', format: 'json' },
      limits: { drain: 10_000 },
    })
  })

  test('has its paths resolved from where it lies', async () => {
    const config = await read(smallest)

    expect(config.policy.bundle).toBe(join(folder, 'bundle'))
    expect(config.store).toMatchObject({ kind: 'sqlite', path: join(folder, 'sluice.db') })
  })

  test('has its secrets fetched from the environment and from files, without the line break at the end', async () => {
    const config = await read(changed('user: app,', 'user: app, tls: { ca: "file:cert.pem" },'))
    const other = await read(changed('env:SHOP_PASSWORD', 'file:password'))

    expect(password(config)).toBe('from-the-environment')
    expect(password(other)).toBe('from-a-file')
    expect(config.targets[0]).toMatchObject({ tls: { ca: '-----BEGIN CERTIFICATE-----' } })
  })

  test('has no detectors unless it names them, and only those that there are', async () => {
    const none = await read(smallest)
    const some = await read(changed('user: app,', 'user: app, detectors: [card, email],'))
    const wrong = await problem(changed('user: app,', 'user: app, detectors: [mail],'))

    expect(none.targets[0]?.detectors).toEqual([])
    expect(some.targets[0]?.detectors).toEqual(['card', 'email'])
    expect(wrong).toMatch(/"targets\[0\]\.detectors\[0\]" must be one of "email", "card".*got "mail"/)
  })

  test('does not give its secrets away when printed', async () => {
    const config = await read(smallest)

    expect(
      `${JSON.stringify(config)} ${config.targets.map((target) => Object.values(target).join())}`,
    ).not.toContain('from-the-environment')
  })

  test('checks the certificate of a database that is not on this machine', async () => {
    const config = await read(changed('host: 127.0.0.1', 'host: db.example'))

    expect(config.targets[0]).toMatchObject({ tls: { mode: 'verify-full' } })
  })

  test('may be all that docs/configuration.md shows', async () => {
    const document = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8')
    const [, example = ''] = /```yaml\n(.*?)```/s.exec(document) ?? []
    const names = [...example.matchAll(/env:([A-Z_]+)/g)].map(([, name = '']) => [name, 'x'] as const)
    const file = join(folder, 'example.yaml')

    const config = readConfig(file, {
      files: {
        ...nodeFiles,
        read: async (path) => new TextEncoder().encode(path === file ? example : '-----BEGIN X-----'),
      },
      env: Object.fromEntries(names),
    })

    await expect(config).resolves.toMatchObject({ targets: [{ kind: 'postgres' }, { kind: 'http' }] })
  })
})

describe('a problem is named with its key, what was expected and what was found', () => {
  const tls = 'tls: { certificate: "file:cert.pem", key: "file:cert.pem" }'
  test.each([
    ['store:', 'stroe: 1\nstore:', '"stroe" is not a known key'],
    [
      'plaintext: loopback',
      'plaintext: maybe',
      '"listen.postgres.plaintext" must be one of "refuse", "loopback", got "maybe"',
    ],
    [
      'plaintext: loopback',
      'plaintext: loopback, port: http',
      '"listen.postgres.port" must be a number between 0 and 65535, got "http"',
    ],
    [
      'plaintext: loopback',
      'plaintext: loopback, port: 70000',
      '"listen.postgres.port" must be a number between 0 and 65535, got 70000',
    ],
    [
      'plaintext: loopback',
      'port: 1',
      '"listen.postgres.tls" must be given, or "plaintext" be "loopback": otherwise no agent could send its token',
    ],
    [
      'plaintext: loopback',
      `plaintext: loopback, host: 0.0.0.0, ${tls}`,
      '"listen.postgres.plaintext" must be "refuse" when "host" is not loopback: tokens would travel in the clear',
    ],
    [
      'plaintext: loopback }',
      'plaintext: loopback }\n  http: { host: 0.0.0.0 }',
      /^"listen.http.tls" must be given when "host" is not loopback/,
    ],
    ['postgres: { plaintext: loopback }', '{}', '"listen" must have "http", "postgres" or both'],
    [
      'https://idp.example',
      'http://idp.example',
      '"identity.issuers[0].issuer" must use https: plain http is for a development issuer on loopback',
    ],
    ['audience: sluice', 'audience: ""', '"identity.issuers[0].audience" must not be empty'],
    [', audience: sluice', '', '"identity.issuers[0].audience" is missing, it must be a string'],
    [
      'audience: sluice',
      'audience: sluice, algorithms: [none]',
      /^"identity.issuers\[0\].algorithms\[0\]" must be one of "RS256", .*, got "none"$/,
    ],
    [
      'audience: sluice',
      'audience: sluice, algorithms: [HS256]',
      /^"identity.issuers\[0\].algorithms\[0\]" must be one of .*, got "HS256"$/,
    ],
    [
      'audience: sluice',
      'audience: sluice, algorithms: []',
      '"identity.issuers[0].algorithms" must have at least 1 entry',
    ],
    [
      'sqlite: { path: ./sluice.db }',
      'memory: {}',
      /"store.memory" is not a known key\n.*"store" must have one of "sqlite" and "redis"$/,
    ],
    ['sqlite: { path: ./sluice.db }', '{}', '"store" must have one of "sqlite" and "redis"'],
    [
      'store:',
      'plugins: [record, auth, authorize]\nstore:',
      '"plugins" must contain "mask": nothing passes without it',
    ],
    [
      'store:',
      'plugins: [record, auth, mask, authorize]\nstore:',
      '"plugins" must have each once, in the order record, auth, authorize, mask',
    ],
    [
      'store:',
      'plugins: [{ file: a.ts }, record, auth, authorize, mask]\nstore:',
      '"plugins" must begin with "record": what comes before goes unrecorded',
    ],
    [
      'store:',
      'plugins: [record, auth, authorise, mask]\nstore:',
      /^"plugins\[2\]" must be one of "record", .*, got "authorise"$/,
    ],
    [
      'store:',
      'plugins: [record, auth, authorize, mask, { fil: a.ts }]\nstore:',
      /"plugins\[4\].file" is missing, it must be a string\n.*"plugins\[4\].fil" is not a known key/,
    ],
    [
      'store:',
      'recording: { resultLimit: 16KB }\nstore:',
      '"recording.resultLimit" must be a size such as "16KiB" (B, KiB, MiB, GiB), got "16KB"',
    ],
    [
      'store:',
      'recording: { retention: { age: 1 year } }\nstore:',
      '"recording.retention.age" must be a time such as "30s" (ms, s, m, h, d), got "1 year"',
    ],
    [
      'store:',
      'limits: { drain: 10 }\nstore:',
      '"limits.drain" must be a time such as "30s" (ms, s, m, h, d), got a number',
    ],
    ['kind: postgres', 'kind: mysql', '"targets[0].kind" must be one of "postgres", "http", got "mysql"'],
    [
      'name: shop',
      'name: Shop/1',
      '"targets[0].name" must be up to 63 lower-case letters, digits, "-", "_" and ".", got "Shop/1"',
    ],
    [
      'host: 127.0.0.1',
      'host: db.example, tls: { mode: disable }',
      '"targets[0].tls.mode" must not be "disable" when "host" is not loopback: the password would travel in the clear',
    ],
    ['host: 127.0.0.1, ', '', '"targets[0].host" must be given, or "hosts" instead'],
    [
      'host: 127.0.0.1',
      'host: 127.0.0.1, hosts: [{ host: 127.0.0.2 }]',
      '"targets[0].host" must be given, or "hosts" instead',
    ],
    [
      'host: 127.0.0.1',
      'hosts: [{ host: 127.0.0.1 }, { host: db.example }], tls: { mode: disable }',
      /^"targets\[0\].tls.mode" must not be "disable" when "host" is not loopback/,
    ],
    [
      'user: app,',
      'user: app, targetSessionAttrs: master,',
      /^"targets\[0\].targetSessionAttrs" must be one of "any", "read-write", .*, got "master"$/,
    ],
    [
      'user: app,',
      'user: app, tls: { mode: prefer },',
      /^"targets\[0\].tls.mode" must be one of "disable", "require", .*, got "prefer"$/,
    ],
    [
      'user: app,',
      'user: app, tls: { mode: require, ca: "file:cert.pem" },',
      '"targets[0].tls.ca" would not be looked at: with mode "require" no certificate is checked',
    ],
    [
      'user: app,',
      'user: app, tls: { mode: verify-ca },',
      /^"targets\[0\].tls.ca" must be given with "verify-ca"/,
    ],
    [
      'user: app,',
      'user: app, tls: { mode: verify-full, key: "file:cert.pem" },',
      '"targets[0].tls.certificate" must be given: certificate and key go together',
    ],
    [
      'user: app,',
      'user: app, tls: { mode: disable, negotiation: direct },',
      '"targets[0].tls.negotiation" cannot be had without TLS: "tls.mode" is "disable"',
    ],
    [
      'user: app,',
      'user: app, authentication: { channelBinding: require },',
      '"targets[0].authentication.channelBinding" cannot be had without TLS: "tls.mode" is "disable"',
    ],
    [
      'user: app,',
      'user: app, authentication: { methods: [password] },',
      '"targets[0].authentication.methods" must not contain "password" without TLS',
    ],
    [
      'user: app,',
      'user: app, tls: { mode: verify-full }, authentication: { methods: [md5], channelBinding: require },',
      '"targets[0].authentication.methods" must contain "scram-sha-256": only it has channel binding',
    ],
    [
      'user: app,',
      'user: app, limits: { connect: 10 },',
      '"targets[0].limits.connect" must be a time such as "30s" (ms, s, m, h, d), got a number',
    ],
    [
      'user: app,',
      'user: app, limits: { sessions: 0 },',
      '"targets[0].limits.sessions" must be a number of at least 1, got 0',
    ],
    [
      'env:SHOP_PASSWORD',
      'env:MISSING',
      '"targets[0].password" refers to the environment variable "MISSING", which is not set',
    ],
    [
      'env:SHOP_PASSWORD',
      'env:EMPTY',
      '"targets[0].password" refers to the environment variable "EMPTY", which is not set',
    ],
    [
      'env:SHOP_PASSWORD',
      'file:absent',
      /^"targets\[0\].password" refers to a file that cannot be read: ".*absent" does not exist$/,
    ],
    [
      'user: app,',
      'user: app, tls: { ca: "file:password" },',
      '"targets[0].tls.ca" must refer to a PEM file',
    ],
    [
      'user: app,',
      'user: app, tls: { ca: "file:absent" },',
      /^"targets\[0\].tls.ca" refers to a file that cannot be read/,
    ],
    ['user: app,', 'user: [app],', '"targets[0].user" must be a string, got a list'],
  ])('%s as %s', async (from, to, expected) => {
    const message = await problem(changed(from, to))

    if (typeof expected === 'string') expect(message).toBe(`Cannot read configuration: ${expected}`)
    else expect(message.replace(/^Cannot read configuration: (\d problems\n *)?/, '')).toMatch(expected)
  })

  test('all at once', async () => {
    const message = await problem(
      smallest.replace('loopback', 'maybe').replace('audience', 'audiance').replace('env:', ''),
    )

    expect(message.split('\n')).toEqual([
      'Cannot read configuration: 4 problems',
      '  "listen.postgres.plaintext" must be one of "refuse", "loopback", got "maybe"',
      '  "identity.issuers[0].audience" is missing, it must be a string',
      '  "identity.issuers[0].audiance" is not a known key',
      expect.stringMatching(
        /^ {2}"targets\[0\].password" must refer to a secret and not contain it: write "env:NAME"/,
      ),
    ])
  })

  test('a target that is there twice', async () => {
    const [target = ''] = /- \{ name: shop.*/.exec(smallest) ?? []

    expect(await problem(`${smallest}  ${target}`)).toBe(
      'Cannot read configuration: "targets[1].name" must be unique, got "shop" twice',
    )
  })

  test('keys that replicas must share', async () => {
    const message = await problem(
      changed('sqlite: { path: ./sluice.db }', 'redis: { url: "env:SHOP_PASSWORD" }'),
    )

    expect(message.split('\n').slice(1)).toEqual([
      '  "recording.signingKey" must be given with a redis store: all replicas share it',
      '  "masking.key" must be given with a redis store: all replicas share it',
    ])
  })

  test('a credential that would travel in the clear', async () => {
    const target =
      '- { name: api, kind: http, url: "http://api.example", credential: { value: "env:SHOP_PASSWORD" } }'

    expect(await problem(`${smallest}  ${target}`)).toBe(
      'Cannot read configuration: "targets[1].url" must use https when the target has a credential: it would travel in the clear',
    )
  })

  test.each([
    ['a key that is there twice', `${smallest}listen: {}`, 'line 11, column 1: duplicate key'],
    ['a bracket that is not closed', changed('loopback }', 'loopback'), /^line \d+, column \d+: /],
    ['an unknown tag', changed('sluice }', '!secret sluice }'), /^line \d+, column \d+: tag resolve failed/],
    ['nothing at all', '', 'the file must be a set of keys, got nothing'],
    ['a list', '- a', 'the file must be a set of keys, got a list'],
  ])('%s', async (_, text, expected) => {
    const message = (await problem(text)).replace(/^Cannot read configuration: (\d problems\n *)?/, '')

    if (typeof expected === 'string') expect(message).toBe(expected)
    else expect(message).toMatch(expected)
  })

  test('a file that is too large, and one that is not there', async () => {
    const absent = join(folder, 'absent.yaml')

    expect(await problem(`#${'x'.repeat(1024 * 1024)}`)).toMatch(/is larger than 1048576 bytes$/)
    await expect(readConfig(absent, { files: nodeFiles, env })).rejects.toThrow(
      `Cannot read configuration: "${absent}" does not exist`,
    )
  })
})

test.each([
  ['as the password', changed('env:SHOP_PASSWORD', 'hunter-two')],
  ['as a number', changed('"env:SHOP_PASSWORD"', '77001177')],
  ['in a list', changed('"env:SHOP_PASSWORD"', '[hunter-two]')],
  ['behind a wrong reference', changed('env:SHOP_PASSWORD', 'vault:hunter-two')],
  [
    'in the address of Redis',
    changed('sqlite: { path: ./sluice.db }', 'redis: { url: "redis://:hunter-two@db" }'),
  ],
  ['in the address of a target', `${smallest}  - { name: a, kind: http, url: "https://u:hunter-two@api" }`],
  [
    'where keys are expected',
    `${smallest}  - { name: a, kind: http, url: "https://a", credential: hunter-two }`,
  ],
  ['in broken YAML', changed('"env:SHOP_PASSWORD"', '"hunter-two" "hunter-two"')],
])('a secret written down %s is refused and not repeated', async (_, text) => {
  const message = await problem(text)

  expect(message).not.toMatch(/hunter-two|77001177/)
})

describe('the JSON Schema for editors', () => {
  test('is what the gateway itself checks by', async () => {
    const committed = await readFile(new URL('../gateway/config.schema.json', import.meta.url), 'utf8')

    expect(JSON.parse(committed)).toEqual(configJsonSchema())
  })

  test('accepts the smallest configuration and refuses a literal secret and an unknown key', () => {
    const validate = new Ajv2020({ formats: { uri: true } }).compile(configJsonSchema())

    const verdicts = [
      smallest,
      changed('env:SHOP_PASSWORD', 'hunter-two'),
      changed('plaintext', 'plain'),
    ].map((text) => validate(parse(text)))

    expect(verdicts).toEqual([true, false, false])
  })
})

function password(config: Config): string | undefined {
  const [target] = config.targets
  return target?.kind === 'postgres' ? target.password?.reveal() : undefined
}
