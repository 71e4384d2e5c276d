/** What agents, databases and people wrote must not steer the terminal of who reads it. */
export function plainText(text: string): string {
  return text.replace(/[\p{Bidi_Control}[\p{Cc}--[\n\t]]]/gv, '\u{fffd}')
}
