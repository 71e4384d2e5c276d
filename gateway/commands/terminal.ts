/** What commands need of the process that they run in. @module */
import type { Runtime } from '../main.ts'

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Writes a line to standard output; styles show where that is a terminal. */
  print(line: string, style?: Style): void
  /** Calls back at every SIGINT and SIGTERM, which then no longer end the process. */
  onInterrupt(listener: () => void): void
  exit(code: number): void
  /** The exit code for when the command is done. */
  endWith(code: number): void
  /** Several processes behind one listener; `undefined` where the runtime has no such thing. */
  workers(): Promise<typeof import('../runtime/node-workers.ts') | undefined>
  /** What the gateway runs on here. */
  runtime(): Promise<Runtime>
}

export type Style = 'bold' | 'red' | 'green' | 'yellow'

/** A command could not do what it was asked: its message is all that the user needs to see. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(message: string, { exitCode = 1, ...options }: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options)
    this.exitCode = exitCode
  }
}
