import { type Bar, type Measurement, median, ratio, spread } from './measurement.ts'

/** A measurement with everything that follows from it, for the JSON file. */
export function summary(measurement: Measurement) {
  const { title, unit, samples, baselines } = measurement
  return {
    title,
    unit,
    results: samples.map(({ subject, values, cpu }) => ({
      subject,
      median: median(values),
      spread: spread(values),
      ratios: Object.fromEntries(
        baselines.map((baseline) => [baseline, ratio(measurement, subject, baseline)]),
      ),
      values,
      ...(cpu.length > 0 && { cpuMicroseconds: median(cpu) }),
    })),
    bars: verdicts(measurement),
  }
}

export interface Verdict extends Bar {
  readonly ratio: number
  readonly isMet: boolean
}

/** What became of the bars; one whose subjects were not measured says nothing. */
export function verdicts(measurement: Measurement): readonly Verdict[] {
  return measurement.bars.flatMap((bar) => {
    const reached = ratio(measurement, bar.subject, bar.of)
    return reached === undefined ? [] : [{ ...bar, ratio: reached, isMet: reached >= bar.atLeast }]
  })
}

/** How far the baselines moved from round to round: nothing here can be known better than that. */
export function noise(measurements: readonly Measurement[]): string {
  const spreads = measurements.flatMap(({ samples, baselines }) =>
    samples
      .filter(({ subject, values }) => baselines.includes(subject) && values.length > 1)
      .map(({ values }) => spread(values)),
  )
  if (spreads.length === 0) return 'Noise: unknown, no baseline was measured twice'
  const middle = Math.round(median(spreads) * 100)
  const advice = middle > noisyPercent ? ': repeat this on a quieter machine before you believe it' : ''
  return `Noise: the baselines moved by ${middle} % between rounds, at most by ${Math.round(Math.max(...spreads) * 100)} %${advice}`
}

const noisyPercent = 30

/** A measurement as a table for people. */
export function table(measurement: Measurement): string {
  const { title, unit, samples } = measurement
  const baselines = measurement.baselines.filter((name) => samples.some(({ subject }) => subject === name))
  const bars = verdicts(measurement)
  const hasCpu = samples.some(({ cpu }) => cpu.length > 0)
  const rows = samples.map(({ subject, values, cpu }) => [
    subject,
    count(median(values)),
    ...baselines.map((baseline) => ratio(measurement, subject, baseline)?.toFixed(2) ?? ''),
    ...(hasCpu ? [cpu.length > 0 ? count(median(cpu)) : ''] : []),
    values.length > 1 ? `${Math.round(spread(values) * 100)} %` : '',
    bars
      .filter((bar) => bar.subject === subject)
      .map(sentence)
      .join(', '),
  ])
  const ofBaselines = baselines.map((baseline) => `of ${baseline}`)
  const lines = [[title, unit, ...ofBaselines, ...(hasCpu ? ['CPU µs'] : []), 'spread', ''], ...rows]
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const isText = column === 0 || column === line.length - 1
          return isText ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
        })
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}

function sentence({ of, atLeast, isMet }: Verdict): string {
  return `bar: ${atLeast} of ${of}, ${isMet ? 'met' : 'MISSED'}`
}

function count(value: number): string {
  return value < 1000 ? value.toPrecision(3) : Math.round(value).toLocaleString('en')
}
