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
  /** Microseconds of processor time per unit that the subject itself used; empty where it cannot be told. */
  readonly cpu: readonly number[]
}

/** One sample. */
export interface Run {
  readonly value: number
  readonly cpu?: number | undefined
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
  measure: (subject: Subject) => Promise<Run>,
): Promise<readonly Samples[]> {
  const runs = new Map(subjects.map((subject) => [subject, [] as Run[]]))
  for (let round = 0; round < rounds; round++) {
    const first = round % subjects.length
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      runs.get(subject)?.push(await measure(subject))
    }
  }
  return [...runs].map(([{ name }, samples]) => ({
    subject: name,
    values: samples.map(({ value }) => value),
    cpu: samples.flatMap(({ cpu }) => cpu ?? []),
  }))
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
