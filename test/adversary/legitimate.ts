/** What honest agents ask is answered as without a gateway, but for the cells that are masked. @module */
import type { Script, Step } from './attack.ts'

/** What stands in place of a masked cell. */
export type Hidden = '[masked]' | 'hash' | 'partial' | null | { readonly shown: string }

export interface Legitimate extends Script {
  /** Columns that are masked, by their place in every result. */
  readonly hidden: Readonly<Record<number, Hidden>>
  /** Why it is answered otherwise. Listed in docs/security.md. */
  readonly open?: string
}

export function legitimate(
  name: string,
  ...given: readonly [Readonly<Record<number, Hidden>>, ...Step[]] | readonly Step[]
): Legitimate {
  const [first, ...rest] = given
  const isHidden =
    typeof first === 'object' && !Array.isArray(first) && !('elsewhere' in first) && !('second' in first)
  return isHidden
    ? { name, hidden: first as Readonly<Record<number, Hidden>>, steps: rest as readonly Step[] }
    : { name, hidden: {}, steps: given as readonly Step[] }
}
