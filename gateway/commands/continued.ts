/**
 * The lines of one that may hold what agents or targets wrote: a line break in it begins a line with a mark, so
 * that nobody can write what looks like a line of ours.
 */
export function continued(line: string): string[] {
  const [first = '', ...rest] = line.split('\n')
  return [first, ...rest.map((more) => `            │ ${more}`)]
}
