/**
 * Asks for the rows of COPY … TO STDOUT by a query, in the place of the agent's Query or Execute. What came before its
 * Execute goes to the target as it is, so that statements and portals are prepared, bound, described and refused as
 * those of COPY are; the portal alone never runs. Source: PostgreSQL manual, 54.2.3 "Extended Query".
 *
 * @module
 */
import { Denied } from '../errors.ts'
import type { CopyQuery } from '../sql/copy-query.ts'
import type { Conducted, Step } from './exchange.ts'
import {
  bindPortal,
  closePortal,
  closeStatement,
  describePortal,
  executePortal,
  parse,
  sync,
} from './frontend.ts'
import type { Prepared } from './names.ts'

export class CopyStandIn {
  /** Where a COPY has failed its query stays prepared. */
  #last: string | undefined
  readonly #ran = new WeakSet<Prepared>()

  /**
   * Takes the place of what the agent executes; its steps become those of the query.
   *
   * @returns what to send
   * @throws Denied `invalid` when the portal ran before: unlike that of a query it cannot do so again
   */
  ask(exchange: Conducted, { text, format }: CopyQuery): readonly Uint8Array[] {
    const { operation, protocol, steps } = exchange
    const { id, prepared } = operation
    if (this.#ran.has(prepared))
      throw new Denied('invalid', 'Cannot run COPY: its portal has run before', { hint: 'Bind it again.' })
    this.#ran.add(prepared)
    // No agent can have given this name to anything of its own: what is under it would be taken for that.
    const name = `copied by sluice ${id}`
    const isSimple = protocol === 'simple'
    // A Query forgets the unnamed statement.
    const closed = [this.#last, isSimple ? '' : undefined].filter((each) => each !== undefined)
    this.#last = name
    const step: Step = 'hidden close'
    steps.splice(
      ...([-1, 1, ...closed.map(() => step)] as const),
      ...(['hidden parse', 'hidden bind', 'hidden describe', 'execute', step, step] as const),
      ...(isSimple ? (['query'] as const) : []),
    )
    return [
      ...exchange.frames.slice(0, -1),
      ...closed.map(closeStatement),
      parse(name, text),
      bindPortal(name, { portal: name, isBinary: format.kind === 'binary' }),
      describePortal(name),
      executePortal(name),
      closePortal(name),
      closeStatement(name),
      ...(isSimple ? [sync()] : []),
    ]
  }
}
