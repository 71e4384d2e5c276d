/** Nothing certain can be said of a statement's columns. The message says why, and never quotes a value. */
export class Untraceable extends Error {
  override readonly name = 'Untraceable'
}
