/** Frames as a server sends them. @module */
const encoder = new TextEncoder()

export function dataRow(cells: readonly (string | undefined)[]): Uint8Array {
  const values = cells.map((cell) => (cell === undefined ? undefined : encoder.encode(cell)))
  const size = 7 + values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), 0)
  const frame = new Uint8Array(size)
  const view = new DataView(frame.buffer)
  frame[0] = 'D'.charCodeAt(0)
  view.setInt32(1, size - 1)
  view.setInt16(5, cells.length)
  let at = 7
  for (const value of values) {
    view.setInt32(at, value?.length ?? -1)
    frame.set(value ?? [], at + 4)
    at += 4 + (value?.length ?? 0)
  }
  return frame
}

export function errorFrame(fields: Readonly<Record<string, string>>): Uint8Array {
  const body = encoder.encode(
    `${Object.entries(fields)
      .map(([code, value]) => `${code}${value}\0`)
      .join('')}\0`,
  )
  const frame = new Uint8Array(5 + body.length)
  frame[0] = 'E'.charCodeAt(0)
  new DataView(frame.buffer).setInt32(1, 4 + body.length)
  frame.set(body, 5)
  return frame
}

/** The cells of each row in these bytes. */
export function readRows(bytes: Uint8Array): (string | undefined)[][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rows: (string | undefined)[][] = []
  for (let start = 0; start < bytes.length; start += 1 + view.getInt32(start + 1)) {
    const cells: (string | undefined)[] = []
    let at = start + 7
    for (let left = view.getInt16(start + 5); left > 0; left--) {
      const length = view.getInt32(at)
      cells.push(length < 0 ? undefined : new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)))
      at += 4 + Math.max(0, length)
    }
    rows.push(cells)
  }
  return rows
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
