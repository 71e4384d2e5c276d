/** What would become of an operation: worked out as the gateway does it, from the same pieces, and never run. @module */
import type { Config, TargetConfig } from '../config.ts'
import { httpTarget, postgresTarget } from '../config-targets.ts'
import type { Approval, Decision, Terms } from '../decision.ts'
import { type DenialCode, Denied } from '../errors.ts'
import type { HttpFacts, SqlFacts } from '../facts.ts'
import { httpOperation } from '../http/http-operation.ts'
import { parseRequestTarget } from '../http/request-target.ts'
import type { Log } from '../log.ts'
import type { Runtime } from '../main.ts'
import type { MaskedOutput, Operation } from '../operation.ts'
import type { EstablishedSession } from '../plugin.ts'
import { readBundle } from '../policy/bundle.ts'
import { denialFor } from '../policy/denial.ts'
import { type Policy, policy } from '../policy/policy.ts'
import { catalogConnection } from '../postgres/catalog-connection.ts'
import { ConnectOperation } from '../postgres/connect-operation.ts'
import { SessionScope } from '../postgres/session-scope.ts'
import { startupSettings } from '../postgres/startup-settings.ts'
import { StatementOperation } from '../postgres/statement-operation.ts'
import { analyser } from '../sql/analyse.ts'
import { catalogReader } from '../sql/catalog-reader.ts'
import { parser } from '../sql/parser.ts'
import type { OutputLineage, Statement } from '../sql/statement.ts'
import { uuid } from '../uuid.ts'

/** Who would ask for what. */
export interface Asked {
  readonly text: string
  readonly target: string
  readonly agent: string
  readonly groups: readonly string[]
  readonly actors: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
  readonly issuer?: string
  readonly address?: string
  /** Values of $1, $2, … */
  readonly parameter: readonly string[]
  readonly body?: string
  /** People who are taken to have approved it. */
  readonly approvers: readonly string[]
}

/** What `sluice explain --json` prints. */
export interface Explanation {
  readonly agent: { readonly subject: string; readonly groups: readonly string[] }
  readonly target: { readonly name: string; readonly kind: 'postgres' | 'http' }
  readonly text: string
  readonly facts: SqlFacts | HttpFacts
  /** What comes out of each statement of an SQL text, in order. */
  readonly results?: readonly ExplainedResult[]
  readonly decision: Decision
  readonly verdict: 'allowed' | 'denied' | 'needs approval'
  /** Why it is denied; `code` is that of docs/http.md. */
  readonly denial?: { readonly code: DenialCode; readonly message: string; readonly hint: string }
  /** What went wrong on the way, and what this cannot know. */
  readonly notes: readonly string[]
}

export interface ExplainedResult {
  readonly outputs: readonly ExplainedOutput[]
  /** Why lineage cannot be told. */
  readonly problem?: string
}

export interface ExplainedOutput {
  /** Its place, from 1; absent behind one that stands for any number of columns. */
  readonly output?: number
  readonly name?: string
  /** The base columns that may flow into it, as `schema.table.column`. */
  readonly columns: readonly string[]
  /** It is not simply the value of those columns. */
  readonly computed: boolean
  /** Where it is hidden: the kinds of mask, or `computed` for all of it. */
  readonly masked?: string
  /** The columns that policy named, where those that flow into it are others with the same values. */
  readonly by?: readonly string[]
}

const bundleFileLimit = 64 * 1024 * 1024

/** @throws Error in words when it cannot be told */
export async function explanation(asked: Asked, config: Config, runtime: Runtime): Promise<Explanation> {
  const target = config.targets.find(({ name }) => name === asked.target)
  if (!target) {
    const names = config.targets.map(({ name }) => `"${name}"`).join(', ')
    throw new Error(`Cannot explain operation: there is no target "${asked.target}", only ${names}`)
  }
  const session = sessionOf(asked, config, target)
  const notes: string[] = []
  const bundle = await readBundle((name) =>
    runtime.files.read(`${config.policy.bundle}/${name}`, bundleFileLimit),
  )
  const decides = policy({ bundle, log: into(notes), now: Date.now })
  const own = config.plugins.flatMap((plugin) => (typeof plugin === 'string' ? [] : [plugin.file]))
  if (own.length > 0) notes.push(`plugins that were not asked: ${own.join(', ')}`)
  const outcome =
    target.kind === 'postgres'
      ? await explainSql(asked, { session, target, decides, config, runtime, notes })
      : await explainHttp(asked, { session, target, decides })
  return {
    agent: { subject: asked.agent, groups: asked.groups },
    target: { name: target.name, kind: target.kind },
    text: asked.text,
    ...outcome,
    notes,
  }
}

function sessionOf(asked: Asked, { identity }: Config, target: TargetConfig): EstablishedSession {
  const { agent: subject, groups, actors, claims, address } = asked
  const issuer = asked.issuer ?? identity.issuers[0]?.issuer ?? ''
  return {
    id: uuid(),
    protocol: target.kind,
    target: { name: target.name, kind: target.kind, labels: target.labels, detectors: target.detectors },
    client: { address, application: 'sluice explain', user: subject },
    startedAt: new Date(),
    principal: {
      subject,
      issuer,
      groups,
      actors,
      claims: { sub: subject, iss: issuer, ...claims },
      expiresAt: Number.POSITIVE_INFINITY,
    },
  }
}

type Outcome = Omit<Explanation, 'agent' | 'target' | 'text' | 'notes'>

interface Surroundings<Kind> {
  readonly session: EstablishedSession
  readonly target: Extract<TargetConfig, { kind: Kind }>
  readonly decides: Policy
}

async function explainSql(
  asked: Asked,
  {
    session,
    target,
    decides,
    config,
    runtime,
    notes,
  }: Surroundings<'postgres'> & { config: Config; runtime: Runtime; notes: string[] },
): Promise<Outcome> {
  const settings = new Map([
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
  ])
  const grammar = await parser({ wasm: await runtime.pgQueryWasm(), longest: config.limits.statement })
  const catalog = catalogReader({
    connect: catalogConnection(runtime.network, postgresTarget(target)),
    log: into([]),
  })
  try {
    const analyse = analyser({ parser: grammar, trusted: new Set(target.trustedFunctions) })
    const scope = new SessionScope({ analyse, catalog }, settings)
    const prepared = await scope.understand({ text: asked.text, types: [] }, 0, {
      settled: async () => {},
      ask: async () => undefined,
    })
    const parameters = asked.parameter.map((value) => ({
      format: 'text' as const,
      value: new TextEncoder().encode(value),
    }))
    const operation = new StatementOperation(session, 'execute', prepared, parameters, settings)
    const opening = new ConnectOperation(session, startupSettings(new Map()))
    const opened = decides.decide({ session, operation: opening, approval: undefined })
    if (opened.effect === 'review') notes.push('opening the session would wait for an approval of its own')
    if (opened.effect === 'deny') notes.push(`the session would not even open: ${opened.reasons.join('; ')}`)
    const decided = await decision(asked, { session, operation, decides })
    const verdict = await outcome(operation, opened.effect === 'deny' ? opened : decided, session)
    return {
      facts: operation.facts,
      results: resultsOf(prepared.statement, operation.maskedOutputs ?? []),
      decision: decided,
      ...verdict,
    }
  } finally {
    await catalog.close()
  }
}

async function explainHttp(
  asked: Asked,
  { session, target, decides }: Surroundings<'http'>,
): Promise<Outcome> {
  const [, method, path] = /^([A-Z]+) (\/\S*)$/.exec(asked.text) ?? []
  if (method === undefined || path === undefined) {
    throw new Error(`Cannot explain request: it must be a method and a path, such as "GET /orders/7"`)
  }
  const request = new Request('http://explained.invalid/', {
    method,
    ...(asked.body !== undefined && {
      body: asked.body,
      headers: { 'content-type': 'application/json', 'content-length': String(asked.body.length) },
    }),
  })
  const requested = parseRequestTarget(path)
  const operation = await httpOperation(uuid(), session, httpTarget(target), request, requested)
  const decided = await decision(asked, { session, operation, decides })
  return { facts: operation.facts, decision: decided, ...(await outcome(operation, decided, session)) }
}

/** What policy says, and where people are taken to have approved what it says then. */
async function decision(
  { approvers }: Asked,
  {
    session,
    operation,
    decides,
  }: { readonly session: EstablishedSession; readonly operation: Operation; readonly decides: Policy },
): Promise<Decision> {
  const first = decides.decide({ session, operation, approval: undefined })
  if (first.effect !== 'review' || approvers.length === 0) return first
  const fingerprint = await operation.fingerprint()
  const approval: Approval = { id: 'explained', by: approvers, fingerprint }
  const again = decides.decide({ session, operation, approval })
  if (again.effect !== 'review') return again
  const { review: _answered, ...allowed } = again
  return { ...allowed, effect: 'allow', reasons: [`approved by ${approvers.join(', ')}`] }
}

async function outcome(
  operation: Operation,
  decision: Decision,
  { principal }: EstablishedSession,
): Promise<Pick<Outcome, 'verdict' | 'denial'>> {
  switch (decision.effect) {
    case 'deny':
      return denied(denialFor(decision, principal))
    case 'allow':
    case 'review': {
      const refused = await untraceable(operation, decision)
      if (refused) return denied(refused)
      return { verdict: decision.effect === 'allow' ? 'allowed' : 'needs approval' }
    }
  }
}

async function untraceable(operation: Operation, { masks, detectors }: Terms): Promise<Denied | undefined> {
  const library = detectors && (await import('../masking/search.ts'))
  try {
    operation.trace(masks, library?.search(detectors ?? []))
    return undefined
  } catch (error) {
    if (error instanceof Denied) return error
    throw error
  }
}

function denied({ code, message, hint }: Denied): Pick<Outcome, 'verdict' | 'denial'> {
  return { verdict: 'denied', denial: { code, message, hint } }
}

function resultsOf(statement: Statement, masked: readonly MaskedOutput[]): readonly ExplainedResult[] {
  return statement.lineage().map(({ outputs, problem }, index) => {
    const own = masked.filter(({ statement = 1 }) => statement === index + 1)
    const open = outputs.findIndex(({ isOpen }) => isOpen)
    return {
      outputs: outputs.map((output, at) =>
        explained(output, open < 0 || at <= open ? at + 1 : undefined, own),
      ),
      ...(problem !== undefined && { problem }),
    }
  })
}

function explained(
  { name, columns, isPlain, isOpen }: OutputLineage,
  output: number | undefined,
  hidden: readonly MaskedOutput[],
): ExplainedOutput {
  // Behind one that stands for several, outputs have no place but their name.
  const found = hidden.find((each) => each.output === output && (output !== undefined || each.name === name))
  return {
    ...(output !== undefined && { output }),
    ...(name !== undefined && !isOpen && { name }),
    columns,
    computed: !isPlain,
    ...(found && { masked: found.masked }),
    ...(found?.by && { by: found.by }),
  }
}

/** Keeps what an operator would find in the log. */
function into(notes: string[]): Log {
  const note = (fields: object, message: string) => {
    const cause = 'err' in fields && fields.err instanceof Error ? `: ${fields.err.message}` : ''
    notes.push(`${message}${cause}`)
  }
  return { debug() {}, info() {}, warn: note, error: note }
}
