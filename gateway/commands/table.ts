/** Lines with columns of equal width; the last one is not padded. The first row may be a heading. */
export function table(recorded: readonly (readonly string[])[]): string[] {
  // A row is a line, whatever agents wrote into it.
  const rows = recorded.map((row) => row.map((cell) => cell.replaceAll('\n', '⏎')))
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
