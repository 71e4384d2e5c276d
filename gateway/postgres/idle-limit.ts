/**
 * Ends sessions whose agent is silent for longer than its target allows. PostgreSQL has the same limits
 * (`idle_session_timeout`, `idle_in_transaction_session_timeout`), but there an agent may set them, and the time
 * that a statement waits for people would count as its silence.
 *
 * @module
 */
import { Denied } from '../errors.ts'
import type { TransactionStatus } from './backend.ts'
import type { TargetLimits } from './postgres-target.ts'

export class IdleLimit {
  readonly #limits: Pick<TargetLimits, 'idle' | 'idleInTransaction'>
  readonly #end: (denied: Denied) => void
  #isListening = false
  #isResting = false
  #transaction: TransactionStatus = 'I'
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param end is called once the agent has been silent for too long */
  constructor(limits: Pick<TargetLimits, 'idle' | 'idleInTransaction'>, end: (denied: Denied) => void) {
    this.#limits = limits
    this.#end = end
  }

  /** Whether everything that the agent has sent is read, and more is waited for. */
  listening(is: boolean): void {
    this.#isListening = is
    this.#update()
  }

  /** Whether everything that was asked for is answered. */
  resting(is: boolean, transaction: TransactionStatus): void {
    this.#isResting = is
    this.#transaction = transaction
    this.#update()
  }

  #update(): void {
    clearTimeout(this.#timer)
    if (!this.#isListening || !this.#isResting) return
    const isOutside = this.#transaction === 'I'
    const limit = isOutside ? this.#limits.idle : this.#limits.idleInTransaction
    if (limit !== undefined)
      this.#timer = setTimeout(() => this.#end(isOutside ? outside() : inside()), limit)
  }
}

function outside(): Denied {
  return new Denied('idle', 'Cannot continue session: the agent was silent for longer than the target allows')
}

function inside(): Denied {
  return new Denied(
    'idle_in_transaction',
    'Cannot continue session: the agent was silent in a transaction for longer than the target allows',
  )
}
