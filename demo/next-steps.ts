import { relative } from 'node:path'
import type { Stage } from './stage.ts'
import type { Terminal } from './terminal.ts'

/** Prints the commands to go on by hand, ready to paste. */
export function nextSteps(_stage: Stage, _terminal: Terminal): void {
  relative('', '')
}
