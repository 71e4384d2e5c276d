import type { Terms } from '../gateway/decision.ts'
import type { Detector } from '../gateway/detector.ts'
import { digest } from '../gateway/masking/digest.ts'
import { wholeMessage } from '../gateway/masking/whole-message.ts'
import type { Digest, Failure, MaskPlan, ResultStream, Search } from '../gateway/operation.ts'
import type { Context, Next, Plugin } from '../gateway/plugin.ts'

export interface MaskOptions {
  /** Secret behind `hash` and `noise`: whoever knows it can test guesses. The same on every replica. */
  readonly key: string
  /** Hands the recording the whole text of errors that the agent sees reduced. */
  readonly keepsErrorTexts?: boolean
}

/**
 * Hides the fields that policy wants masked, and what detectors find in the others. How that is done is worked out before anything runs, for a
 * statement that is only prepared as well; what cannot be masked for certain is denied. Belongs next to the
 * target, so that whatever else sees the result sees it masked.
 */
export function mask({ key, keepsErrorTexts = false }: MaskOptions): Plugin {
  const keyed = digest(key)
  const searches = new Map<string, Search>()
  return {
    name: 'mask',

    handle(context, next) {
      const { decision } = context
      // Without an allow nothing runs; the chain sees to that.
      if (!decision || decision.effect === 'deny') return next()
      if (decision.masks.length === 0 && !decision.detectors) return next()
      return masked(context, decision, next)
    },
  }

  async function* masked({ operation }: Context, { masks, detectors }: Terms, next: Next): ResultStream {
    const plan = operation.trace(masks, detectors && (await searchFor(detectors)))
    const keeps = keepsErrorTexts && operation.kind === 'sql' && !operation.mayHoldSecrets
    yield* keeps ? withWholeErrors(plan, next(), keyed) : plan.apply(next(), keyed)
  }

  /** What detectors need is loaded by who needs them: it takes a tenth of a second, and 30 MB. */
  async function searchFor(detectors: readonly Detector[]): Promise<Search> {
    const name = detectors.join()
    const known = searches.get(name)
    if (known) return known
    const { search } = await import('../gateway/masking/search.ts')
    const made = search(detectors)
    searches.set(name, made)
    return made
  }
}

/** Puts beside each error that the plan has reduced what it said before. */
async function* withWholeErrors(plan: MaskPlan, result: ResultStream, keyed: Digest): ResultStream {
  let whole: Failure | undefined
  for await (const part of plan.apply(seen(result), keyed)) {
    const isReduced = part.kind === 'failure' && whole !== undefined && part.message !== whole.message
    yield isReduced && whole ? { ...part, withheld: wholeMessage(whole.bytes) } : part
  }

  async function* seen(result: ResultStream): ResultStream {
    for await (const part of result) {
      if (part.kind === 'failure') whole = part
      yield part
    }
  }
}
