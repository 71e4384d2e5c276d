/**
 * A value as one line of JSON (NDJSON), for programs. What would steer a terminal is escaped as JSON allows, so that
 * a program reads it exactly as it was, and a person can look at it.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Bidi_Control}\p{Cc}]/gu, escaped)
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}
