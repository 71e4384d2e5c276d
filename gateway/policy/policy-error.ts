/**
 * A bundle cannot be loaded, or a policy cannot be evaluated. Operators read the message and its cause in
 * the log; an agent never sees either.
 *
 * @module
 */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
}
