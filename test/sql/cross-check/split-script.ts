/**
 * Cuts a psql script into statements as psql would (fe_utils/psqlscan.l): semicolons end them outside quotes,
 * comments, parentheses and BEGIN ATOMIC bodies. Meta-commands and the data of COPY are left out.
 *
 * @example
 * ```ts
 * splitScript("SELECT ';' -- x\n; \\d t\nTABLE t;") // ["SELECT ';' -- x\n", 'TABLE t']
 * ```
 */
export function splitScript(script: string): readonly string[] {
  const statements: string[] = []
  let rest = script
  let current = ''
  let parentheses = 0
  let atomic = 0
  while (rest !== '') {
    const token = next(rest, usesEscapes(current))
    rest = rest.slice(token.length)
    if (token.startsWith('\\')) {
      // \gset, \gexec and the like end the statement before them; of others only the line is lost.
      if (/^\\g/.test(token)) finish()
      continue
    }
    if (token === ';' && parentheses === 0 && atomic === 0) {
      const isCopy = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i.test(withoutComments(current))
      finish()
      if (isCopy) rest = rest.replace(/^[\s\S]*?\n\\\.(\n|$)/, '')
      continue
    }
    if (token === '(') parentheses++
    if (token === ')') parentheses = Math.max(0, parentheses - 1)
    const isRoutine = /^\s*create\b[\s\S]*?\b(function|procedure)\b/i.test(withoutComments(current))
    if (isRoutine && /^atomic$/i.test(token)) atomic++
    if (atomic > 0 && /^case$/i.test(token)) atomic++
    if (atomic > 0 && /^end$/i.test(token)) atomic--
    current += token
  }
  finish()
  return statements

  function finish(): void {
    if (withoutComments(current).trim() !== '') statements.push(current.trim())
    current = ''
    parentheses = 0
    atomic = 0
  }
}

/** The token at the beginning: whatever must not be looked into counts as one. */
function next(text: string, escapes: boolean): string {
  const dollar = /^\$(?:[a-z_\x80-\uffff][\w\x80-\uffff]*)?\$/i.exec(text)?.[0]
  if (dollar) {
    const end = text.indexOf(dollar, dollar.length)
    return end < 0 ? text : text.slice(0, end + dollar.length)
  }
  if (text.startsWith('/*')) return blockComment(text)
  const quoted = escapes ? /^'(?:[^'\\]|\\[\s\S]|'')*'/ : /^'(?:[^']|'')*'/
  const found =
    /^--[^\n]*/.exec(text) ??
    quoted.exec(text) ??
    /^"(?:[^"]|"")*"/.exec(text) ??
    /^\\[^\n]*/.exec(text) ??
    /^[\w\x80-\uffff$]+/.exec(text)
  return found?.[0] ?? text.slice(0, 1)
}

/** Whether a string that begins here has backslash escapes: `E'…'`. */
function usesEscapes(before: string): boolean {
  return /(?:^|\W)e$/i.test(before)
}

function blockComment(text: string): string {
  let depth = 0
  for (const { 0: mark, index } of text.matchAll(/\/\*|\*\//g)) {
    depth += mark === '/*' ? 1 : -1
    if (depth === 0) return text.slice(0, index + 2)
  }
  return text
}

function withoutComments(text: string): string {
  return text.replaceAll(/--[^\n]*/g, '').replaceAll(/\/\*[\s\S]*?\*\//g, '')
}
