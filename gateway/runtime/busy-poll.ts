/**
 * A process that sleeps has to be woken, which on a virtual machine takes longer than many a statement. So the event
 * loop looks for answers without sleeping for a moment after something was sent: whoever asks one statement after the
 * other gets them in two thirds of the time, and no processor works more for it (docs/decisions/0010).
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { setImmediate } from 'node:timers'

/** How long after the last write the loop stays awake: as long as a short statement takes, there and back. */
const awakeMs = 0.2

/** With one processor the peer could not work meanwhile; and a turn of Deno's loop costs more than waking it. */
const isWorthIt = availableParallelism() > 1 && !('Deno' in globalThis)

let awakeUntil = 0
let isAwake = false

/** Something was sent: an answer may be here soon. */
export function stayAwake(): void {
  if (!isWorthIt) return
  awakeUntil = performance.now() + awakeMs
  if (isAwake) return
  isAwake = true
  setImmediate(look)
}

/** Each turn of the loop looks at every socket on its way. */
function look(): void {
  if (performance.now() < awakeUntil) setImmediate(look)
  else isAwake = false
}
