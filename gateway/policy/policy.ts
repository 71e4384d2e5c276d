/**
 * Asks the policy about an operation. It always answers: whatever goes wrong is a denial.
 *
 * @module
 */

import type { Decision } from '../decision.ts'
import { bothDetectors } from '../detector.ts'
import { noFacts } from '../facts.ts'
import type { Log } from '../log.ts'
import { decision } from './answer.ts'
import type { Bundle } from './bundle.ts'
import { DecisionCache, isCacheable } from './cache.ts'
import { Evaluator } from './evaluator.ts'
import { type Input, input, type Question } from './input.ts'
import { MaskLists } from './mask-lists.ts'
import { InputTooLarge, PolicyError } from './policy-error.ts'

export interface Policy {
  /** Revision of the bundle that decides now. */
  readonly revision: string
  /** Decides one operation; never throws. */
  decide(question: Question): Decision
  /**
   * Lets another bundle decide from the next operation on.
   * @throws PolicyError when it cannot be used; the one before goes on deciding.
   */
  replace(bundle: Bundle): void
}

export interface PolicyOptions {
  readonly bundle: Bundle
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Hears of every evaluation; decisions that are remembered cost none. */
  readonly observe?: (effect: Decision['effect'], milliseconds: number) => void
}

/** @throws PolicyError when the bundle cannot be used: a gateway without a policy does not start. */
export function policy({ bundle, log, now, observe }: PolicyOptions): Policy {
  let active = load(bundle, now, observe)
  return {
    get revision() {
      return active.revision
    },
    decide(question) {
      const { revision, decide } = active
      try {
        return decide(question)
      } catch (error) {
        const { operation, session } = question
        if (error instanceof InputTooLarge) {
          const reasons = [
            'the operation is too large: there is more to know of it than a policy can be asked with',
          ]
          return { effect: 'deny', reasons, revision }
        }
        log.error({ err: error, operation: operation.id, session: session.id, revision }, 'Policy failed')
        return { effect: 'deny', reasons: [`the policy failed (operation ${operation.id})`], revision }
      }
    },
    replace(next) {
      active = load(next, now, observe)
      log.info({ revision: next.revision }, 'Policy replaced')
    },
  }
}

interface Loaded {
  readonly revision: string
  /** @throws PolicyError */
  decide(question: Question): Decision
}

function load(bundle: Bundle, now: () => number, observe: PolicyOptions['observe']): Loaded {
  const { revision, reads: paths = ['input'] } = bundle
  const evaluator = new Evaluator(bundle)
  const reads = (part: string) => paths.some((path) => overlaps(path, part))
  const lists = new MaskLists()
  const cache = isCacheable(reads) && !evaluator.isTimeDependent ? new DecisionCache(reads) : undefined

  // A policy that cannot answer a plain question would deny everything: better found out before it is active.
  decision(evaluator.evaluate(plainQuestion), revision)
  return { revision, decide: cache ? (question) => recall(question, cache) : ask }

  function recall(question: Question, cache: DecisionCache): Decision {
    const { session, operation } = question
    // An approval is for one operation: what is decided with it is asked for once.
    if (operation.kind !== 'sql' || question.approval) return ask(question)
    const known = cache.get(session, operation)
    if (known) return known
    const fresh = ask(question)
    cache.set(session, operation, fresh)
    return fresh
  }

  function ask(question: Question): Decision {
    const startedAt = performance.now()
    const fresh = decision(evaluator.evaluate(input(question, now(), reads)), revision)
    observe?.(fresh.effect, performance.now() - startedAt)
    if (fresh.effect === 'deny') return fresh
    if (question.operation.kind === 'http' && (fresh.limit || fresh.session)) {
      throw new PolicyError('Cannot keep the policy: "limit" and "session" are for PostgreSQL, not for HTTP')
    }
    const detectors = bothDetectors(fresh.detectors, question.session.target.detectors)
    return { ...fresh, masks: lists.share(fresh.masks), ...(detectors && { detectors }) }
  }
}

/** Does a rule that reads `path` see any of `part`? Whoever reads a whole sees its parts. */
function overlaps(path: string, part: string): boolean {
  return path === 'input' || path === part || path.startsWith(`${part}.`) || part.startsWith(`${path}.`)
}

const plainQuestion: Input = {
  version: 1,
  principal: { subject: 'nobody', issuer: 'nobody', groups: [], claims: {}, actors: [] },
  session: {
    id: '00000000-0000-7000-8000-000000000000',
    protocol: 'postgres',
    client: { address: undefined, application: undefined, user: undefined },
  },
  target: { name: 'nothing', kind: 'postgres', labels: {} },
  operation: {
    kind: 'sql',
    action: 'execute',
    text: 'SELECT 1',
    parameters: [],
    facts: {
      ...noFacts,
      status: 'known',
      problems: [],
      statements: 1,
      commands: ['select'],
      relations: [],
      columns: [],
      functions: [],
      settings: [],
      has_where: true,
    },
  },
  now: '2000-01-01T00:00:00.000Z',
}
