/** What the demo says: steps, the commands it runs, what they answer, and what that means. */
export interface Terminal {
  title(text: string): void
  step(number: number, text: string): void
  /** Why the next command is worth looking at. */
  say(text: string): void
  command(who: string, line: string): void
  /** Lines for a shell, ready to paste; comments are set apart. */
  script(lines: readonly string[]): void
  /** What a client wrote, as it wrote it. */
  output(text: string): void
  /** Whether the step came out as it should, and why. */
  verdict(isAsExpected: boolean, text: string): void
}

export function terminal(out: NodeJS.WriteStream): Terminal {
  const isColored = out.isTTY && !process.env.NO_COLOR
  const paint = (code: number) => (text: string) => (isColored ? `\x1b[${code}m${text}\x1b[0m` : text)
  const [bold, dim, red, green, cyan] = [paint(1), paint(2), paint(31), paint(32), paint(36)]
  const line = (text = '') => out.write(`${text}\n`)
  return {
    title: (text) => line(`\n${bold(text)}`),
    step: (number, text) => line(`\n\n${bold(`${number}. ${text}`)}`),
    say: (text) => line(`\n${wrap(text, '   ')}`),
    command: (who, text) => line(`\n   ${cyan(who)} ${dim('$')} ${text.replaceAll('\n', '\n      ')}`),
    script(lines) {
      line()
      for (const text of lines) line(`   ${text.startsWith('#') ? dim(text) : text}`.trimEnd())
    },
    output(text) {
      for (const row of text.trimEnd().split('\n')) line(`   ${dim('│')} ${row.trimEnd()}`)
    },
    verdict: (isAsExpected, text) =>
      line(
        `\n${wrap(text, '     ').replace(/^ {5}/, isAsExpected ? `   ${green('✓')} ` : `   ${red('✗')} `)}`,
      ),
  }
}

const width = 100

function wrap(text: string, indent: string): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const current = lines.at(-1) ?? ''
    if (current && indent.length + current.length + word.length >= width) lines.push(word)
    else lines[lines.length - 1] = current ? `${current} ${word}` : word
  }
  return lines.map((each) => indent + each).join('\n')
}
