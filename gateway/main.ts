/** The composition root: makes everything from the configuration, and opens the doors. @module */
import { type ShippedServices, shipped } from '../plugins/index.ts'
import { ApprovalLog } from './approvals/approval-log.ts'
import { type Approvals, approvals } from './approvals/approvals.ts'
import type { Config } from './config.ts'
import { keys } from './config-keys.ts'
import { openStore } from './config-store.ts'
import { httpTarget, postgresTarget } from './config-targets.ts'
import type { Files } from './files.ts'
import { app } from './http/app.ts'
import type { ServeHttp } from './http/http-server.ts'
import { HttpSessions } from './http/http-sessions.ts'
import type { HttpClient } from './http/upstream.ts'
import { identity } from './identity/identity.ts'
import { throttle } from './identity/throttle.ts'
import type { Log } from './log.ts'
import { type Metrics, metrics } from './metrics.ts'
import type { Address, Network, ServerTls } from './network.ts'
import type { Plugin, PluginFactory, PluginServices } from './plugin.ts'
import { readBundle } from './policy/bundle.ts'
import { policy } from './policy/policy.ts'
import type { AgentAuthentication } from './postgres/agent-authentication.ts'
import { catalogConnection } from './postgres/catalog-connection.ts'
import { CatalogNews } from './postgres/catalog-news.ts'
import { Door } from './postgres/door.ts'
import { oauthBearer } from './postgres/oauth-bearer.ts'
import type { PostgresTarget } from './postgres/postgres-target.ts'
import type { Analysis } from './postgres/session-scope.ts'
import { tokenAsPassword } from './postgres/token-as-password.ts'
import { Ledger } from './recordings/ledger.ts'
import { LostSessions } from './recordings/lost-sessions.ts'
import { recordedSessions } from './recordings/recorded-sessions.ts'
import { recorder } from './recordings/recorder.ts'
import { Retention } from './recordings/retention.ts'
import { type Signer, signer } from './recordings/signer.ts'
import { upkeep } from './recordings/upkeep.ts'
import type { Secret } from './secret.ts'
import type { Siblings } from './siblings.ts'
import { analyser } from './sql/analyse.ts'
import { catalogReader } from './sql/catalog-reader.ts'
import { parser } from './sql/parser.ts'
import type { DurableStreamStore } from './stores/durable-stream-store.ts'
import { observedStore } from './stores/observed-store.ts'

/** What differs between Node and Deno. */
export interface Runtime {
  readonly network: Network
  readonly files: Files
  readonly serveHttp: ServeHttp
  /** A client for HTTP targets. */
  httpUpstream(): HttpClient
  /** PostgreSQL's grammar. */
  pgQueryWasm(): Promise<WebAssembly.Module>
  /** Loads a module from an absolute path. */
  importModule(path: string): Promise<{ readonly default?: unknown }>
}

export interface Gateway {
  readonly http: { readonly url: string } | undefined
  readonly postgres: { readonly host: string; readonly port: number } | undefined
  /** Stops accepting, lets running operations end, closes sessions and their recordings, then the store. */
  close(): Promise<void>
}

/**
 * Opens the gateway.
 * @throws Error in words when something that it needs is missing: without a policy, keys and a store nothing opens
 */
export async function serve(
  config: Config,
  {
    runtime,
    log,
    siblings,
  }: {
    runtime: Runtime
    log: Log
    /** Processes that serve behind the same listener. */
    siblings?: Siblings | undefined
  },
): Promise<Gateway> {
  const now = Date.now
  const { signing, masking } = await keys(config, runtime.files)
  const bundle = await readBundle((name) =>
    runtime.files.read(`${config.policy.bundle}/${name}`, bundleFileLimit),
  )
  const counted = metrics()
  siblings?.counting(counted.json)
  const store = observedStore(await openStore(config.store, runtime.files), counted.storeFailed)
  const decided = approvals({ store, now, log })
  const signs = signer(signing)
  const ledger = new Ledger({ store, signer: signs, now, log })
  const closing: Closing = [() => store.close(), () => ledger.close()]
  const doors: House['doors'] = []
  try {
    const plugins = await chain(config, runtime, {
      log,
      now,
      recorder: recorder({ store, signer: signs, now, log, ledger }),
      resultLimit: config.recording.resultLimit,
      identity: identity({ issuers: config.identity.issuers, fetch, now, log }),
      throttle: throttle({ now }),
      policy: policy({ bundle, log, now, observe: counted.decision }),
      approvals: decided,
      baseUrl: publicUrl(config),
      observeHeld: counted.held,
      key: masking,
      keepsErrorTexts: config.recording.errorTexts === 'whole',
    })
    log.info({ revision: bundle.revision, plugins: plugins.map(({ name }) => name) }, 'Chain is ready')
    const house: House = {
      config,
      runtime,
      plugins,
      store,
      decided,
      log,
      now,
      counted,
      siblings,
      closing,
      doors,
    }
    const postgres = await openPostgres(house)
    const http = await openHttp(house)
    closing.push(keepUp(config, { store, ledger, signer: signs, now, log }))
    return { postgres, http: http && { url: publicUrl(config, http.port) }, close }
  } catch (error) {
    await close()
    throw error
  }

  async function close(): Promise<void> {
    await Promise.all(doors.map((door) => door.close(config.limits.drain)))
    for (const closeOne of closing.toReversed()) await closeOne()
  }
}

/** Removes what the configuration does not want kept, and ends in the ledger what no gateway ended. */
function keepUp(
  { recording: { retention } }: Config,
  options: {
    readonly store: DurableStreamStore
    readonly ledger: Ledger
    readonly signer: Signer
    readonly now: () => number
    readonly log: Log
  },
): () => Promise<void> {
  const { age, size, every } = retention
  const lost = new LostSessions(options)
  const removal = new Retention({
    ...options,
    age,
    size,
    approvals: new ApprovalLog(options.store, options.now),
  })
  const tasks = [(signal: AbortSignal) => lost.sweep(signal), (signal: AbortSignal) => removal.sweep(signal)]
  return upkeep({ tasks, every, log: options.log })
}

/** The plugins in the order of the configuration, outermost first. */
async function chain(config: Config, runtime: Runtime, services: ShippedServices): Promise<Plugin[]> {
  const plugins: Plugin[] = []
  for (const item of config.plugins) {
    plugins.push(typeof item === 'string' ? shipped(item, services) : await dropIn(item, runtime, services))
  }
  return plugins
}

async function dropIn(
  { file, options }: { readonly file: string; readonly options: Readonly<Record<string, unknown>> },
  runtime: Runtime,
  { log, now }: PluginServices,
): Promise<Plugin> {
  const { default: factory } = await runtime.importModule(file)
  if (typeof factory !== 'function') {
    throw new Error(
      `Cannot load plugin "${file}": its default export must be a function that makes the plugin`,
    )
  }
  const plugin: unknown = await (factory as PluginFactory)(options, { log, now })
  if (
    typeof plugin !== 'object' ||
    plugin === null ||
    !('name' in plugin) ||
    typeof plugin.name !== 'string'
  ) {
    throw new Error(`Cannot load plugin "${file}": it must be an object with a "name"`)
  }
  return plugin as Plugin
}

/** Where agents and people reach the HTTP door. */
function publicUrl({ listen }: Config, port: number | undefined = listen.http?.port): string {
  const { http } = listen
  if (!http) return ''
  return http.publicUrl?.replace(/\/$/, '') ?? `${http.tls ? 'https' : 'http'}://${http.host}:${port}`
}

type Closing = (() => Promise<void>)[]

/** A bundle's largest file: its module, or its data. */
const bundleFileLimit = 64 * 1024 * 1024

/** How long an HTTP session outlives its last request, and how many are kept. */
const httpSessionIdle = 60_000
const httpSessionLimit = 10_000

interface House {
  readonly config: Config
  readonly runtime: Runtime
  readonly plugins: readonly Plugin[]
  readonly store: DurableStreamStore
  readonly decided: Approvals
  readonly log: Log
  readonly now: () => number
  readonly counted: Metrics
  readonly siblings: Siblings | undefined
  /** What has to be closed, in the order in which it was opened. */
  readonly closing: Closing
  /** What agents come in by: closed before anything else, and each given time for what still runs. */
  readonly doors: { close(graceMilliseconds: number): Promise<void> }[]
}

async function openPostgres(house: House): Promise<Address | undefined> {
  const { config, runtime, plugins, store, log, now, counted, closing, doors } = house
  const listen = config.listen.postgres
  if (!listen) return undefined
  const { statement: longest, statements: most } = config.limits
  const grammar = await parser({ wasm: await runtime.pgQueryWasm(), longest, most })
  const news = new CatalogNews({ store, log, now })
  closing.push(() => news.close())
  const targets = new Map<string, PostgresTarget>()
  const analyses = new Map<string, Analysis>()
  for (const target of config.targets) {
    if (target.kind !== 'postgres') continue
    const reached = postgresTarget(target)
    const connect = catalogConnection(runtime.network, reached)
    const catalog = news.share(target.name, catalogReader({ connect, log, now }))
    closing.push(() => catalog.close())
    const analyse = analyser({ parser: grammar, trusted: new Set(target.trustedFunctions) })
    targets.set(target.name, reached)
    analyses.set(target.name, { analyse, catalog })
  }
  const door = new Door({
    network: runtime.network,
    plugins,
    targets,
    analyses,
    encryption: { tls: serverTls(listen.tls), plaintext: listen.plaintext },
    authentication: agentAuthentication(config),
    store,
    messageLimit: config.limits.message,
    namesLimit: config.limits.prepared,
    log,
    now,
    observeSessions: (change) => counted.sessions('postgres', change),
    observe(target, { outcome, milliseconds, bytes, rows }) {
      counted.operation({ protocol: 'postgres', target, outcome, milliseconds })
      counted.returned(target, bytes, rows)
    },
  })
  doors.push(door)
  await door.listen(listen)
  return door.address
}

/** How agents bring their token; with several issuers, clients are sent to the first. */
function agentAuthentication({ listen, identity }: Config): AgentAuthentication {
  const [issuer] = identity.issuers
  return listen.postgres?.authentication === 'oauth' && issuer ? oauthBearer(issuer) : tokenAsPassword
}

async function openHttp(house: House): Promise<Address | undefined> {
  const { config, runtime, plugins, store, decided, log, now, counted, siblings, closing, doors } = house
  const listen = config.listen.http
  if (!listen) return undefined
  const client = runtime.httpUpstream()
  const sessions = new HttpSessions({
    plugins,
    log,
    now,
    idle: httpSessionIdle,
    limit: httpSessionLimit,
    observe: (change) => counted.sessions('http', change),
  })
  const stopped = new AbortController()
  closing.push(
    () => client.close(),
    () => sessions.close(),
    async () => stopped.abort(),
  )
  const targets = new Map(
    config.targets.flatMap((target) => (target.kind === 'http' ? [[target.name, httpTarget(target)]] : [])),
  )
  const door = app({
    plugins,
    targets,
    sessions,
    upstream: client.upstream,
    approvals: decided,
    recordings: recordedSessions(store),
    admins: config.admins,
    baseUrl: publicUrl(config),
    log,
    now,
    stopped: stopped.signal,
    async ready() {
      await store.ping()
      await siblings?.ready()
    },
    metrics: () => (siblings ? siblings.metrics() : counted.text()),
    observe({ target, outcome, milliseconds, bytes }) {
      counted.operation({ protocol: 'http', target, outcome, milliseconds })
      if (target) counted.returned(target, bytes, 0)
    },
  })
  const { host, port } = listen
  const server = await runtime.serveHttp({ app: door, host, port, tls: serverTls(listen.tls) })
  doors.push(server)
  return server.address
}

function serverTls(
  tls: { readonly certificate: string; readonly key: Secret } | undefined,
): ServerTls | undefined {
  return tls && { certificate: tls.certificate, key: tls.key.reveal() }
}
