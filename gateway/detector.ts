/**
 * What may be looked for in texts, whatever column they come from. Names are those that configurations and policies
 * write. @module
 */
export const detectors = ['email', 'card', 'iban', 'phone', 'secret'] as const

export type Detector = (typeof detectors)[number]

/** Those that either asks for, in the order above; `undefined` where that is none. */
export function bothDetectors(
  a: readonly Detector[] | undefined,
  b: readonly Detector[] | undefined,
): readonly Detector[] | undefined {
  const both = detectors.filter((each) => a?.includes(each) || b?.includes(each))
  return both.length > 0 ? both : undefined
}
