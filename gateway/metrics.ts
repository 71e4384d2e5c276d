/** What the gateway counts, in Prometheus' terms; the rooms see plain methods. @module */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Decision } from './decision.ts'
import type { DenialCode } from './errors.ts'
import type { Counted } from './siblings.ts'

type Protocol = 'http' | 'postgres'

export interface Metrics {
  /** An operation has ended. `target` is a configured one, or `undefined` when it did not come to any. */
  operation(ended: {
    readonly protocol: Protocol
    readonly target: string | undefined
    readonly outcome: 'completed' | DenialCode
    readonly milliseconds: number
  }): void
  /** Policy has answered. */
  decision(effect: Decision['effect'], milliseconds: number): void
  /** What went back to agents. */
  returned(target: string, bytes: number, rows: number): void
  /** A session has opened or closed. */
  sessions(protocol: Protocol, change: 1 | -1): void
  /** An operation has begun or ceased to wait for a human. */
  held(change: 1 | -1): void
  storeFailed(): void
  /** Everything, in the text format that Prometheus reads. */
  text(): Promise<string>
  /** Everything, as processes hand it to one another. */
  json(): Promise<Counted>
}

export function metrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const operations = new Histogram({
    name: 'sluice_operation_duration_seconds',
    help: 'Operations by protocol, target and outcome (completed, or the code of the refusal), and how long they took.',
    labelNames: ['protocol', 'target', 'outcome'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
    registers,
  })
  const children = new Map<string, Histogram.Internal<string>>()
  const decisions = new Histogram({
    name: 'sluice_decision_duration_seconds',
    help: 'Decisions of the policy by effect, and how long they took.',
    labelNames: ['effect'],
    buckets: [0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.01, 0.1],
    registers,
  })
  const bytes = new Counter({
    name: 'sluice_returned_bytes_total',
    help: 'Bytes of results that went back to agents.',
    labelNames: ['target'],
    registers,
  })
  const rows = new Counter({
    name: 'sluice_returned_rows_total',
    help: 'Rows that went back to agents.',
    labelNames: ['target'],
    registers,
  })
  const returned = new Map<string, Record<'bytes' | 'rows', Counter.Internal>>()
  const sessions = new Gauge({
    name: 'sluice_sessions_open',
    help: 'Sessions that are open now.',
    labelNames: ['protocol'],
    registers,
  })
  const held = new Gauge({
    name: 'sluice_operations_held',
    help: 'Operations that wait for a human now.',
    registers,
  })
  const storeErrors = new Counter({
    name: 'sluice_store_errors_total',
    help: 'Times that the store did not answer.',
    registers,
  })

  return {
    operation({ protocol, target = '', outcome, milliseconds }) {
      observed(protocol, target, outcome).observe(milliseconds / 1000)
    },
    decision(effect, milliseconds) {
      decisions.observe({ effect }, milliseconds / 1000)
    },
    returned(target, byteCount, rowCount) {
      const known = returned.get(target) ?? { bytes: bytes.labels(target), rows: rows.labels(target) }
      returned.set(target, known)
      known.bytes.inc(byteCount)
      known.rows.inc(rowCount)
    },
    sessions(protocol, change) {
      sessions.inc({ protocol }, change)
    },
    held(change) {
      held.inc(change)
    },
    storeFailed() {
      storeErrors.inc()
    },
    text: () => registry.metrics(),
    json: () => registry.getMetricsAsJSON(),
  }

  /** The library finds a labelled child by building a string of its labels each time; there are few of them. */
  function observed(protocol: Protocol, target: string, outcome: string): Histogram.Internal<string> {
    const key = `${protocol} ${outcome} ${target}`
    const known = children.get(key) ?? operations.labels({ protocol, target, outcome })
    children.set(key, known)
    return known
  }
}
