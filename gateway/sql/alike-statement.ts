import type { Mask } from '../decision.ts'
import type { SqlFacts } from '../facts.ts'
import type { Scope } from './scope.ts'
import type { Meaning, ResultLineage, SqlTrace, Statement } from './statement.ts'
import type { ValueTypes } from './values/value-type.ts'

/** Makes statements from texts, as those that were analysed. */
export interface AlikeOptions {
  /** What was analysed in its place: a plain statement, with nothing to hide and no effect on the session. */
  readonly example: Statement & {
    /** Its trace where it touches nothing masked; `undefined` where it does, and where there is none. */
    untouchedTrace(masks: readonly Mask[]): SqlTrace | undefined
  }
  readonly text: string
  /** Analyses the text itself. */
  analyse(): Statement
}

/** A text that differs from one that was analysed in the integers alone that its columns are compared with. */
export class AlikeStatement implements Statement {
  readonly text: string
  readonly facts: SqlFacts
  readonly isReadOnly: boolean
  readonly hidesSettings: boolean
  readonly mayHoldSecrets = false
  readonly isBarrier = false
  readonly copyIn = false
  readonly changesSearchPath = false
  readonly changesCatalog = false
  readonly makesTemporary = false
  readonly hasUnknownName = false
  readonly hasTemporaryName = false
  readonly needsSession = false
  readonly nameChanges = []
  readonly settings = []
  readonly runs = []
  readonly prepares = []
  readonly opens = []
  readonly forgets = []
  readonly #options: AlikeOptions

  constructor(options: AlikeOptions) {
    this.#options = options
    this.text = options.text
    const { facts, isReadOnly, hidesSettings } = options.example
    this.facts = facts
    this.isReadOnly = isReadOnly
    this.hidesSettings = hidesSettings
  }

  get ownText(): string {
    return this.text
  }

  get recordedText(): string {
    return this.text
  }

  get meaning(): Meaning {
    return this.#options.example.meaning
  }

  under(scope: Scope): Statement {
    const { example, analyse } = this.#options
    return example.under(scope) === example ? this : analyse().under(scope)
  }

  lineage(): readonly ResultLineage[] {
    return this.#options.analyse().lineage()
  }

  get types(): ValueTypes {
    return this.#options.example.types
  }

  /** A plain statement is no COPY. */
  described(): undefined {
    return undefined
  }

  trace(masks: readonly Mask[]): SqlTrace {
    const { example, analyse } = this.#options
    // What is said of masked columns may quote the text, and depend on what stands in it.
    return example.untouchedTrace(masks) ?? analyse().trace(masks)
  }
}
