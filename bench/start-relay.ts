import { fileURLToPath } from 'node:url'
import { startChild } from '../test/support/child.ts'
import { runtimeCommand } from '../test/support/spawn-gateway.ts'

export interface Relay {
  readonly pid: number
  readonly port: number
  stop(): Promise<unknown>
}

/** Runs `relay.ts` (bytes) or `http-relay.ts` in a process of its own, on Node. */
export async function startRelay(script: 'relay.ts' | 'http-relay.ts', targetPort: number): Promise<Relay> {
  const [node, ...flags] = runtimeCommand('node')
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child = startChild(node, [...flags, file, String(targetPort)])
  const [, port] = await child.saw(/listening on (\d+)/)
  return { pid: child.pid, port: Number(port), stop: () => child.stop() }
}
