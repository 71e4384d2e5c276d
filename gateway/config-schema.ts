/**
 * What may stand in the configuration file, key by key; `docs/configuration.md` explains it to people and
 * `config.schema.json` to editors. Every rule carries the words that complete `"key" …` when it is broken.
 *
 * @module
 */
import { z } from 'zod'
import {
  duration,
  headerName,
  httpUrl,
  issuerUrl,
  labels,
  port,
  size,
  targetName,
  text,
  unique,
} from './config-values.ts'
import { detectors } from './detector.ts'
import { algorithms } from './identity/algorithms.ts'
import { isLoopback } from './loopback.ts'
import { authenticationMethods, targetSessionAttrs } from './postgres/postgres-target.ts'
import { Secret } from './secret.ts'

/** How the file's references become values. */
export interface References {
  /** What `env:NAME` or `file:PATH` stands for. @throws Error that completes `"key" …` */
  resolve(reference: string): Promise<string>
  /** An absolute path; relative ones start at the configuration file. */
  path(path: string): string
}

/** The plugins that come with the gateway, in the only order that keeps what each of them promises. */
export const shippedPlugins = ['record', 'auth', 'authorize', 'approve', 'mask'] as const
/** Without these a session would go unrecorded, unknown, undecided or unmasked. */
const indispensable = ['record', 'auth', 'authorize', 'mask'] as const

const literalRefused =
  'must refer to a secret and not contain it: write "env:NAME" for an environment variable or "file:PATH" for a file'

export function configSchema(references: References) {
  const reference = z
    .string(literalRefused)
    .refine((value) => /^(env|file):./.test(value), literalRefused)
    .meta({ pattern: '^(env|file):.', description: 'A reference: env:NAME or file:PATH' })
    .transform(async (value, context) => {
      try {
        return await references.resolve(value)
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
        return z.NEVER
      }
    })
  const secret = reference.transform((value) => new Secret(value))
  const pem = reference.refine((value) => value.includes('-----BEGIN '), 'must refer to a PEM file')
  const path = text().transform((value) => references.path(value))

  const serverTls = z
    .strictObject({ certificate: pem, key: pem.transform((value) => new Secret(value)) })
    .describe('Certificate chain and private key, PEM')

  const httpListener = z
    .strictObject({
      host: text().default('127.0.0.1'),
      port: port().default(8080),
      tls: serverTls.optional(),
      publicUrl: httpUrl()
        .optional()
        .describe('Where agents and people reach this listener from outside, for links in approvals'),
    })
    .refine(({ host, tls, publicUrl }) => tls || isLoopback(host) || publicUrl?.startsWith('https:'), {
      path: ['tls'],
      message:
        'must be given when "host" is not loopback: tokens would travel in the clear (when a proxy in front ends TLS, say so with an https "publicUrl")',
    })

  const postgresListener = z
    .strictObject({
      host: text().default('127.0.0.1'),
      port: port().default(6432),
      tls: serverTls.optional(),
      plaintext: z
        .enum(['refuse', 'loopback'])
        .default('refuse')
        .describe('Whether agents may send their token without TLS; never from another machine'),
      authentication: z
        .enum(['password', 'oauth'])
        .default('password')
        .describe('How agents bring their token: as the password, or by OAUTHBEARER (libpq 18)'),
    })
    .refine(({ plaintext, tls }) => tls || plaintext === 'loopback', {
      path: ['tls'],
      message: 'must be given, or "plaintext" be "loopback": otherwise no agent could send its token',
    })
    .refine(({ host, plaintext }) => plaintext === 'refuse' || isLoopback(host), {
      path: ['plaintext'],
      message: 'must be "refuse" when "host" is not loopback: tokens would travel in the clear',
    })

  const issuer = z.strictObject({
    issuer: issuerUrl().describe('The address that discovery starts from; equal to the "iss" of its tokens'),
    audience: text().describe('What the "aud" of a token must contain'),
    groups: text().default('groups').describe('Claim with the groups: a name or a path, realm_access.roles'),
    groupPrefix: z
      .string()
      .default('')
      .describe('Goes before the name of each group, so that no issuer can name the groups of another'),
    subject: text().default('sub').describe('Claim with the name of the agent'),
    algorithms: z
      .array(z.enum(algorithms))
      .min(1)
      .default([...algorithms])
      .describe('Accepted signatures; the list can only be shortened'),
    types: z
      .array(text())
      .min(1)
      .default(['at+jwt', 'application/at+jwt', 'JWT'])
      .describe('Accepted "typ" headers; "absent" accepts a token without one'),
    skewSeconds: z.int().min(0).max(300).default(5).describe('How far the clocks may differ'),
    scope: text()
      .default('openid')
      .describe('What clients ask the issuer for, separated by spaces; told to those that use OAUTHBEARER'),
  })

  const plugin = z.union([
    z.enum(shippedPlugins),
    z.strictObject({
      file: path.describe('A module whose default export makes the plugin'),
      options: z.record(z.string(), z.unknown()).default({}).describe('Handed to the plugin as they are'),
    }),
  ])

  const targetHost = z.strictObject({ host: text(), port: port().default(5432) })

  const targetTls = z.strictObject({
    mode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']).optional(),
    ca: pem.optional().describe("Authorities to trust instead of the system's"),
    certificate: pem.optional().describe("The gateway's own certificate chain, for targets that ask for one"),
    key: pem.transform((value) => new Secret(value)).optional(),
    negotiation: z
      .enum(['postgres', 'direct'])
      .default('postgres')
      .describe('"direct" begins with TLS at once: PostgreSQL 17 and later'),
  })

  const targetAuthentication = z.strictObject({
    methods: z
      .array(z.enum(authenticationMethods))
      .min(1)
      .optional()
      .describe('What the target may ask for; "none" is that it asks for nothing'),
    channelBinding: z
      .enum(['disable', 'prefer', 'require'])
      .default('prefer')
      .describe('Whether SCRAM is bound to the TLS connection'),
  })

  const targetLimits = z.strictObject({
    connect: duration().default(10_000).describe('Longest wait for one host to accept and log in'),
    statement: duration().optional().describe('Longest run of a statement'),
    idle: duration().optional().describe('Longest silence of an agent outside of transactions'),
    idleInTransaction: duration().optional().describe('Longest silence of an agent inside a transaction'),
    sessions: z.int().min(1).optional().describe('Agents at the target at a time, for each process'),
    sessionsPerAgent: z
      .int()
      .min(1)
      .optional()
      .describe('Sessions of one agent at the target at a time, for each process'),
  })

  const sought = z
    .array(z.enum(detectors))
    .default([])
    .describe('What is looked for in all texts that come back, and replaced; policy may ask for more')

  const postgresTarget = z
    .strictObject({
      name: targetName(),
      kind: z.literal('postgres'),
      host: text().optional(),
      port: port().default(5432),
      hosts: z.array(targetHost).min(1).optional().describe('Instead of "host": tried one after the other'),
      targetSessionAttrs: z
        .enum(targetSessionAttrs)
        .default('any')
        .describe('Which of the hosts a session may end up at'),
      loadBalanceHosts: z
        .enum(['disable', 'random'])
        .default('disable')
        .describe('"random": each session tries the hosts in an order of its own'),
      database: text(),
      user: text().describe('The account that agents work with and never see'),
      password: secret.optional(),
      tls: targetTls.prefault({}),
      authentication: targetAuthentication.prefault({}),
      limits: targetLimits.prefault({}),
      labels: labels(),
      detectors: sought,
      trustedFunctions: z
        .array(text())
        .default([])
        .describe('Opaque functions (schema.name) that may be called where columns are masked'),
    })
    .transform(({ host, port, hosts, ...target }, context) => {
      if ((host === undefined) === (hosts === undefined)) {
        context.addIssue({ code: 'custom', path: ['host'], message: 'must be given, or "hosts" instead' })
        return z.NEVER
      }
      const reached = hosts ?? [{ host: host ?? '', port }]
      const isNear = reached.every((one) => isLoopback(one.host))
      const isPlain = isNear && !target.tls.ca && !target.tls.certificate
      const mode = target.tls.mode ?? (isPlain ? 'disable' : 'verify-full')
      return { ...target, hosts: reached, isNear, tls: { ...target.tls, mode } }
    })
    .superRefine(({ isNear, tls, authentication: { methods, channelBinding } }, context) => {
      const wrong = (path: string[], message: string): void =>
        context.addIssue({ code: 'custom', path, message })
      if (tls.mode === 'disable') {
        const without = 'cannot be had without TLS: "tls.mode" is "disable"'
        if (!isNear) {
          wrong(
            ['tls', 'mode'],
            'must not be "disable" when "host" is not loopback: the password would travel in the clear',
          )
        }
        if (tls.negotiation === 'direct') wrong(['tls', 'negotiation'], without)
        if (tls.certificate) wrong(['tls', 'certificate'], without)
        if (channelBinding === 'require') wrong(['authentication', 'channelBinding'], without)
        if (methods?.includes('password'))
          wrong(['authentication', 'methods'], 'must not contain "password" without TLS')
      }
      if (tls.ca && (tls.mode === 'disable' || tls.mode === 'require')) {
        wrong(['tls', 'ca'], `would not be looked at: with mode "${tls.mode}" no certificate is checked`)
      }
      if (tls.mode === 'verify-ca' && !tls.ca) {
        wrong(
          ['tls', 'ca'],
          'must be given with "verify-ca": anybody can have a certificate of a public authority',
        )
      }
      if (!tls.certificate !== !tls.key) {
        wrong(['tls', tls.key ? 'certificate' : 'key'], 'must be given: certificate and key go together')
      }
      if (channelBinding === 'require' && methods && !methods.includes('scram-sha-256')) {
        wrong(['authentication', 'methods'], 'must contain "scram-sha-256": only it has channel binding')
      }
    })

  const httpTarget = z
    .strictObject({
      name: targetName(),
      kind: z.literal('http'),
      url: httpUrl().describe('What comes before the path of every request'),
      credential: z
        .strictObject({
          header: headerName().default('authorization'),
          value: secret.describe('The whole header: "Bearer …", "Basic …"'),
        })
        .optional(),
      labels: labels(),
      detectors: sought,
      body: z.boolean().default(false).describe('Whether policy sees JSON bodies of requests'),
      policyHeaders: z.array(headerName()).default([]).describe('Request headers that policy sees'),
    })
    .refine(
      ({ url, credential }) => !credential || url.startsWith('https:') || isLoopback(new URL(url).hostname),
      {
        path: ['url'],
        message: 'must use https when the target has a credential: it would travel in the clear',
      },
    )

  const store = z
    .strictObject({
      sqlite: z
        .strictObject({
          path,
          synchronous: z
            .enum(['normal', 'full'])
            .default('normal')
            .describe('"full" also survives a loss of power, and is slower'),
        })
        .optional(),
      redis: z
        .strictObject({
          url: secret.describe('redis:// or rediss://, with the password inside'),
          prefix: text().default('sluice:').describe('Goes before every key'),
        })
        .optional(),
    })
    .transform(({ sqlite, redis }, context) => {
      if (sqlite && !redis) return { kind: 'sqlite' as const, ...sqlite }
      if (redis && !sqlite) return { kind: 'redis' as const, ...redis }
      context.addIssue({ code: 'custom', message: 'must have one of "sqlite" and "redis"' })
      return z.NEVER
    })

  return z
    .strictObject({
      listen: z
        .strictObject({ http: httpListener.optional(), postgres: postgresListener.optional() })
        .refine(({ http, postgres }) => http || postgres, 'must have "http", "postgres" or both'),
      identity: z.strictObject({ issuers: z.array(issuer).min(1).superRefine(unique('issuer')) }),
      policy: z.strictObject({ bundle: path.prefault('./bundle') }).prefault({}),
      plugins: z
        .array(plugin)
        .default([...shippedPlugins])
        .superRefine(checkChain),
      store,
      recording: z
        .strictObject({
          signingKey: secret
            .optional()
            .describe('Ed25519 private key, PEM (PKCS #8), that signs the end of recordings'),
          resultLimit: size()
            .default(16 * 1024)
            .describe('How much of each result is kept'),
          errorTexts: z
            .enum(['reduced', 'whole'])
            .default('reduced')
            .describe(
              'Errors of statements that touch masked columns: as the agent sees them, or whole, masked values included',
            ),
          retention: z
            .strictObject({
              age: duration()
                .optional()
                .describe('How long recordings, refusals and approvals are kept after their end'),
              size: size().optional().describe('How much the recordings of ended sessions may take, about'),
              every: duration()
                .default(10 * 60_000)
                .describe('How often to look for what has to go'),
            })
            .prefault({})
            .describe('What is removed from the store, the oldest first; nothing when absent'),
        })
        .prefault({}),
      masking: z
        .strictObject({
          key: secret.optional().describe('Makes hashed values the same everywhere, and unguessable'),
        })
        .prefault({}),
      admins: z
        .array(text())
        .default([])
        .describe('Groups whose members may see all recordings and approvals'),
      targets: z
        .array(z.discriminatedUnion('kind', [postgresTarget, httpTarget]))
        .min(1)
        .superRefine(unique('name')),
      log: z
        .strictObject({
          level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
          format: z.enum(['json', 'pretty']).default('json'),
        })
        .prefault({}),
      limits: z
        .strictObject({
          drain: duration()
            .default(10_000)
            .describe('How long running operations may go on after the gateway was told to stop'),
          statement: size()
            .default(64 * 1024)
            .describe(
              'The longest SQL text that is read, in characters; a longer one is understood as nothing',
            ),
          statements: z
            .int()
            .min(1)
            .max(10_000)
            .default(1_000)
            .describe('How many statements one SQL text may hold; one with more is understood as nothing'),
          prepared: size()
            .default(256 * 1024 * 1024)
            .describe(
              'About how much memory the prepared statements and portals of a session may take; a text counts 64 times',
            ),
          message: size()
            .default(64 * 1024 * 1024)
            .describe(
              'The largest message of the PostgreSQL protocol that is collected; COPY data has no limit',
            ),
        })
        .superRefine(({ statement, message }, context) => {
          if (statement > largestStatement) {
            context.addIssue({ code: 'custom', path: ['statement'], message: 'must be at most 1MiB' })
          }
          if (message > largestMessage) {
            context.addIssue({
              code: 'custom',
              path: ['message'],
              message: 'must be at most 1GiB, as PostgreSQL allows',
            })
          }
        })
        .prefault({}),
    })
    .superRefine(({ store, recording, masking }, context) => {
      // A replica that made up its own keys would sign and hash differently from the others.
      if (store.kind !== 'redis') return
      const missing = 'must be given with a redis store: all replicas share it'
      if (!recording.signingKey) {
        context.addIssue({ code: 'custom', path: ['recording', 'signingKey'], message: missing })
      }
      if (!masking.key) context.addIssue({ code: 'custom', path: ['masking', 'key'], message: missing })
    })
}

/** The grammar takes time that grows faster than a text, and nothing else runs meanwhile. */
const largestStatement = 1024 * 1024
/** What PostgreSQL itself takes (PQ_LARGE_MESSAGE_LIMIT). */
const largestMessage = 1024 * 1024 * 1024

/** The configuration as JSON Schema (draft 2020-12), for editors. */
export function configJsonSchema(): object {
  const schema = configSchema({ resolve: async (reference) => reference, path: (path) => path })
  return { title: 'Sluice configuration', ...z.toJSONSchema(schema, { io: 'input' }) }
}

/** The order carries guarantees: what stands before `record` would go unrecorded, masks must exist before `mask` runs. */
function checkChain(plugins: readonly unknown[], context: z.RefinementCtx): void {
  const shipped = shippedPlugins.filter((name) => plugins.includes(name))
  for (const name of indispensable) {
    if (shipped.includes(name)) continue
    context.addIssue({ code: 'custom', message: `must contain "${name}": nothing passes without it` })
  }
  const inOrder = plugins.filter((plugin) => typeof plugin === 'string')
  if (inOrder.join() !== shipped.join()) {
    context.addIssue({ code: 'custom', message: `must have each once, in the order ${shipped.join(', ')}` })
  }
  if (shipped.includes('record') && plugins[0] !== 'record') {
    context.addIssue({
      code: 'custom',
      message: 'must begin with "record": what comes before goes unrecorded',
    })
  }
}
