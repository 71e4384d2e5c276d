import type { Mask } from '../gateway/decision.ts'
import { digest } from '../gateway/masking/digest.ts'
import type { ResultStream } from '../gateway/operation.ts'
import type { Context, Next, Plugin } from '../gateway/plugin.ts'

export interface MaskOptions {
  /** Secret behind `hash` and `noise`: whoever knows it can test guesses. The same on every replica. */
  readonly key: string
}

/**
 * Hides the fields that policy wants masked. How that is done is worked out before anything runs, for a
 * statement that is only prepared as well; what cannot be masked for certain is denied. Belongs next to the
 * target, so that whatever else sees the result sees it masked.
 */
export function mask({ key }: MaskOptions): Plugin {
  const keyed = digest(key)
  return {
    name: 'mask',

    handle(context, next) {
      const { decision } = context
      // Without an allow nothing runs; the chain sees to that.
      if (!decision || decision.effect === 'deny' || decision.masks.length === 0) return next()
      return masked(context, decision.masks, next)
    },
  }

  async function* masked({ operation }: Context, masks: readonly Mask[], next: Next): ResultStream {
    const plan = operation.trace(masks)
    yield* plan.apply(next(), keyed)
  }
}
