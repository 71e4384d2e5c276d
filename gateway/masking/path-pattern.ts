/** The fields of a JSON document that masks name, found while walking down. @module */
import { combinedMask } from '../combined-mask.ts'
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'

/** A place within a mask's path: what the next name has to be, and what comes after it. */
export interface Step {
  /** A member's name or an element's index, `*` for any one, `**` for any number of them. */
  readonly segment: string
  /** `undefined` at the end of the path: a value reached there is masked. */
  readonly next: Step | undefined
  readonly mask: Mask
}

/**
 * The first steps of these masks' paths.
 * @throws Denied `unmaskable` when a path makes no sense
 */
export function pathPatterns(masks: readonly Mask[], pathOf = ({ field }: Mask) => field): readonly Step[] {
  return masks.map((mask) => firstStep(mask, pathOf(mask)))
}

/** Where one goes from these steps with this name: the steps that remain, and the mask that the value meets. */
export function follow(
  steps: readonly Step[],
  name: string,
): { readonly steps: readonly Step[]; readonly mask: Mask | undefined } {
  const remaining: Step[] = []
  let mask: Mask | undefined
  for (const step of steps) visit(step)
  return { steps: remaining, mask }

  function visit(step: Step): void {
    if (step.segment === '**') {
      add(step)
      if (step.next) visit(step.next)
    } else if (step.segment === '*' || step.segment === name) {
      if (step.next) add(step.next)
      else mask = mask ? combinedMask(mask, step.mask) : step.mask
    }
  }

  function add(step: Step): void {
    if (!remaining.includes(step)) remaining.push(step)
  }
}

function firstStep(mask: Mask, path: string): Step {
  const segments = path.split('.')
  if (segments.includes('') || segments.at(-1) === '**') {
    throw new Denied('unmaskable', `Cannot mask JSON: "${path}" does not name a field`)
  }
  let step: Step | undefined
  for (const segment of segments.toReversed()) step = { segment, next: step, mask }
  return step as Step
}
