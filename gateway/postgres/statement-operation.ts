/** One statement text on its way through the chain. @module */
import { createHash, type Hash } from 'node:crypto'
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { SqlFacts } from '../facts.ts'
import { maskRows } from '../masking/data-rows.ts'
import { Findings, type Searching } from '../masking/findings.ts'
import { refuseWriteBack } from '../masking/write-back.ts'
import type {
  Digest,
  Finding,
  MaskedOutput,
  MaskPlan,
  ResultStream,
  Search,
  SqlOperation,
  SqlParameter,
} from '../operation.ts'
import type { EstablishedSession } from '../plugin.ts'
import type { CopyQuery } from '../sql/copy-query.ts'
import { maxTextLength } from '../sql/parser.ts'
import type { Statement } from '../sql/statement.ts'
import { uuid } from '../uuid.ts'
import { copied } from './copy-rows.ts'
import type { Prepared, Setting } from './names.ts'
import { ReceivedBytes } from './received-bytes.ts'

export class StatementOperation implements SqlOperation {
  readonly kind = 'sql'
  readonly id = uuid()
  readonly action: SqlOperation['action']
  readonly text: string
  readonly parameters: readonly SqlParameter[]
  readonly received = new ReceivedBytes()
  readonly prepared: Prepared
  readonly #session: EstablishedSession
  /** What the target reports of the session's settings. */
  readonly #settings: ReadonlyMap<string, string>
  #touchesMasked = false
  #instead: CopyQuery | undefined
  #maskedOutputs: readonly MaskedOutput[] | undefined
  #findings: Findings | undefined

  constructor(
    session: EstablishedSession,
    action: SqlOperation['action'],
    prepared: Prepared,
    parameters: readonly SqlParameter[],
    settings: ReadonlyMap<string, string>,
  ) {
    this.#session = session
    this.#settings = settings
    this.action = action
    this.text = prepared.text
    this.prepared = prepared
    this.parameters = parameters
  }

  /** Messages about it may quote masked values, also when they come after its end. */
  get touchesMasked(): boolean {
    return this.#touchesMasked
  }

  get maskedOutputs(): readonly MaskedOutput[] | undefined {
    return this.#maskedOutputs
  }

  get findings(): readonly Finding[] | undefined {
    return this.#findings?.all
  }

  /** Where what is said of it is searched, also when that comes after its end. */
  get searching(): Searching | undefined {
    return this.#findings?.in()
  }

  /** What to ask for in place of what the agent executes; its result is turned into what was asked for. */
  get instead(): CopyQuery | undefined {
    return this.#instead
  }

  get statement(): Statement {
    return this.prepared.statement
  }

  get facts(): SqlFacts {
    return this.statement.facts
  }

  get isReadOnly(): boolean {
    return this.action !== 'execute' || this.statement.isReadOnly
  }

  get recordedText(): string {
    const { recordedText, ownText, runs } = this.statement
    const { named } = this.prepared
    if (named.length === 0) return recordedText
    const told = new Set([ownText, ...runs.map((run) => run.ownText)])
    let text = recordedText
    for (const { kind, name, is } of named) {
      const what = kind === 'cursor' ? 'cursor' : 'prepared statement'
      const own = is.statement.ownText
      if (!told.has(own)) text += `\n-- goes by ${what} ${JSON.stringify(name)}: ${own}`
      told.add(own)
      // Longer ones nobody reviews.
      if (text.length > maxTextLength) break
    }
    return text
  }

  get cursors(): NonNullable<SqlOperation['cursors']> {
    return this.prepared.named.flatMap(({ kind, name, is }) =>
      kind === 'cursor' && is.parameters.length > 0 ? [{ name, parameters: is.parameters }] : [],
    )
  }

  get mayHoldSecrets(): boolean {
    return this.statement.mayHoldSecrets
  }

  async fingerprint(): Promise<string> {
    const { principal, target } = this.#session
    const { issuer, subject, actors } = principal
    // The same text means something else under another DateStyle or TimeZone.
    const settings = meaningful([...this.#settings])
    const hash = createHash('sha256')
    const { types, statement, role, named: before } = this.prepared
    // EXECUTE means what was prepared under the name, every name what the search path makes of it, a view its query.
    const runs = statement.runs.map(({ text }) => text)
    const { relations, reached, functions, hidden_functions } = this.facts
    const named = [relations, reached, functions, hidden_functions].map((all) =>
      all.map(({ schema, name }) => [schema, name]),
    )
    hash.update(JSON.stringify([issuer, subject, actors, target.name, this.text, runs, types, settings]))
    // What is in a temporary table is known in its session only.
    const isOwn = relations.some(({ schema }) => schema.startsWith('pg_temp'))
    hash.update(JSON.stringify([named, this.#made(), role, isOwn && this.#session.id]))
    hashValues(hash, this.parameters)
    for (const { kind, is } of before) {
      const opened = kind === 'cursor' ? meaningful(is.settings) : undefined
      hash.update(JSON.stringify([kind, is.text, is.types, is.role, opened]))
      hashValues(hash, kind === 'cursor' ? is.parameters : [])
    }
    return hash.digest('hex').slice(0, fingerprintCharacters)
  }

  /** How the relations and functions were made that it comes near: one that was replaced does something else. */
  #made(): readonly unknown[] {
    const { catalog, statement } = this.prepared
    const { relations, reached, functions, hidden_functions } = this.facts
    // Code that cannot be read may call anything, and of very many relations only the schemas are told.
    const mayBeAny = statement.hidesSettings || reached.some(({ name }) => name === '*')
    return [
      ...[...relations, ...reached].map(({ schema, name }) => {
        const relation = catalog.relation(schema, name)
        return [relation?.definition, relation?.mark]
      }),
      ...[...functions, ...hidden_functions].map(({ schema, name }) =>
        catalog.functions(name).map((each) => (each.schema === schema ? each.mark : '')),
      ),
      catalog.hiddenFunctions.map(({ mark }) => mark),
      mayBeAny && catalog.codeMark,
    ]
  }

  trace(masks: readonly Mask[], search?: Search): MaskPlan {
    const trace = this.statement.trace(masks)
    const findings = search && new Findings(search)
    this.#findings = findings
    this.#touchesMasked = trace.touched
    this.#maskedOutputs = trace.hidden.length > 0 ? trace.hidden : undefined
    // What is only prepared or bound shows nothing yet.
    const instead = this.action === 'execute' ? (trace.instead ?? (search && this.#described())) : undefined
    this.#instead = instead
    refuseWriteBack(trace, this.parameters)
    return {
      masked: trace.masked,
      apply: (result: ResultStream, digest: Digest) => {
        const searched = findings && { findings, types: this.statement.types }
        const masked = maskRows(result, trace, digest, searched)
        return instead ? copied(masked, instead) : masked
      },
    }
  }

  /** @throws Denied `unmaskable` when its result cannot be searched, as nothing says what is in it */
  #described(): CopyQuery | undefined {
    const instead = this.statement.described()
    if (!instead || !('problem' in instead)) return instead
    throw new Denied('unmaskable', `Cannot search result: ${instead.problem}`)
  }
}

const fingerprintCharacters = 32

function hashValues(hash: Hash, parameters: readonly SqlParameter[]): void {
  for (const { format, value } of parameters) {
    hash.update(`\0${format} ${value?.length ?? 'null'}\0`)
    if (value) hash.update(value)
  }
}

function meaningful(settings: readonly Setting[]): readonly Setting[] {
  return settings.filter(([name]) => !meaninglessSettings.has(name)).sort()
}

/** Reported settings that change no statement's meaning, and differ between replicas of a target. */
const meaninglessSettings = new Set(['application_name', 'in_hot_standby', 'server_version'])
