/** Type byte and length. */
const headerBytes = 5

/** Fields that a person reads, with the word before each; the message itself stands first. */
const told = new Map([
  ['M', ''],
  ['D', 'DETAIL: '],
  ['H', 'HINT: '],
  ['W', 'WHERE: '],
  ['q', 'QUERY: '],
])

/** Characters of it that are kept. */
const limit = 8 * 1024

/**
 * All that an ErrorResponse says, a line for each field. Only for recordings, where the configuration wants it:
 * it may quote masked values. Source: PostgreSQL manual, 54.8 "Error and Notice Message Fields".
 */
export function wholeMessage(frame: Uint8Array): string {
  const fields = new TextDecoder().decode(frame.subarray(headerBytes)).split('\0').filter(Boolean)
  const lines = [...told].flatMap(([type, word]) => {
    const field = fields.find((each) => each.startsWith(type))
    return field === undefined ? [] : [word + field.slice(1)]
  })
  return lines.join('\n').slice(0, limit)
}
