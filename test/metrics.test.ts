import { expect, test } from 'vitest'
import { metrics } from '../gateway/metrics.ts'

test('what happened can be read in the format of Prometheus', async () => {
  const counted = metrics()

  counted.operation({ protocol: 'postgres', target: 'shop', outcome: 'completed', milliseconds: 12 })
  counted.operation({ protocol: 'http', target: undefined, outcome: 'unauthenticated', milliseconds: 1 })
  counted.decision('deny', 0.02)
  counted.returned('shop', 100, 3)
  counted.returned('shop', 50, 0)
  counted.sessions('postgres', 1)
  counted.sessions('postgres', 1)
  counted.sessions('postgres', -1)
  counted.held(1)
  counted.storeFailed()

  const lines = (await counted.text()).split('\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      'sluice_operation_duration_seconds_bucket{le="0.025",protocol="postgres",target="shop",outcome="completed"} 1',
      'sluice_operation_duration_seconds_count{protocol="http",target="",outcome="unauthenticated"} 1',
      'sluice_decision_duration_seconds_bucket{le="0.00003",effect="deny"} 1',
      'sluice_returned_bytes_total{target="shop"} 150',
      'sluice_returned_rows_total{target="shop"} 3',
      'sluice_sessions_open{protocol="postgres"} 1',
      'sluice_operations_held 1',
      'sluice_store_errors_total 1',
    ]),
  )
  expect(lines.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true)
})

test('two gateways in one process count for themselves', async () => {
  const one = metrics()
  const other = metrics()

  one.storeFailed()

  expect(await one.text()).toContain('sluice_store_errors_total 1')
  expect(await other.text()).toContain('sluice_store_errors_total 0')
})
