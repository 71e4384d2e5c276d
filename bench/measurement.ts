/** What was measured, and what may be said of it. @module */

/** One number a round for each of the subjects that are compared. */
export interface Measurement {
  readonly title: string
  readonly unit: string
  readonly samples: readonly Samples[]
  /** Subjects that the others are compared with. */
  readonly baselines: readonly string[]
  readonly bars: readonly Bar[]
}

export interface Samples {
  readonly subject: string
  readonly values: readonly number[]
}

/** How well a subject must do. */
export interface Bar {
  readonly subject: string
  readonly of: string
  readonly atLeast: number
}

/**
 * Measures the subjects in turn, round by round, each round beginning with another one: what disturbs the
 * machine for a while disturbs all of them.
 */
export async function alternate<Subject extends { readonly name: string }>(
  subjects: readonly Subject[],
  rounds: number,
  measure: (subject: Subject) => Promise<number>,
): Promise<readonly Samples[]> {
  const values = new Map(subjects.map((subject) => [subject, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    const first = round % subjects.length
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      values.get(subject)?.push(await measure(subject))
    }
  }
  return subjects.map((subject) => ({ subject: subject.name, values: values.get(subject) ?? [] }))
}

/**
 * How a subject did compared with a baseline: the median of the ratios round by round, because the two runs
 * of one round saw the same machine. `undefined` when one of them was not measured.
 */
export function ratio({ samples }: Measurement, subject: string, baseline: string): number | undefined {
  const ours = samples.find((candidate) => candidate.subject === subject)
  const theirs = samples.find((candidate) => candidate.subject === baseline)
  if (!ours || !theirs) return undefined
  return median(ours.values.map((value, round) => value / (theirs.values[round] ?? Number.NaN)))
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [below = Number.NaN, above = Number.NaN] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 1 ? above : (below + above) / 2
}

/** How far the samples lie apart, as a share of their median: the noise. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}
