/**
 * A bundle cannot be loaded, or a policy cannot be evaluated. Operators read the message and its cause in
 * the log; an agent never sees either.
 *
 * @module
 */
export class PolicyError extends Error {
  override readonly name: string = 'PolicyError'
}

/** There is more to know of an operation than a policy can be asked with. That is the agent's doing, and its to mend. */
export class InputTooLarge extends PolicyError {
  override readonly name = 'InputTooLarge'
}
