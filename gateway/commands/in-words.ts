/** An error with what caused it: the innermost one is what an operator looks for. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message} (${inWords(error.cause)})`
}
