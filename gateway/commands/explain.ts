import { Command } from 'commander'
import { readConfig } from '../config.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { configOption } from './config-option.ts'
import { type Asked, type Explanation, explanation } from './explanation.ts'
import { explanationLines } from './explanation-lines.ts'
import { inWords } from './in-words.ts'
import { CommandError, type Terminal } from './terminal.ts'

type Options = Omit<Asked, 'text' | 'groups' | 'actors' | 'approvers' | 'claims'> & {
  readonly config: string
  readonly json?: true
  readonly group: readonly string[]
  readonly actor: readonly string[]
  readonly approvedBy: readonly string[]
  readonly claim: readonly string[]
}

/** `sluice explain`: what would become of an operation, and why; it never runs. */
export function explainCommand(terminal: Terminal): Command {
  return new Command('explain')
    .description('Tell what would become of a statement or request, and why, without running it')
    .argument('<operation>', 'SQL, or for an HTTP target a method and a path')
    .requiredOption('-t, --target <name>', 'where it would go')
    .requiredOption('-a, --agent <subject>', 'who would ask')
    .option('-g, --group <name>', 'a group of the agent; may be said again', collected, [])
    .option('--claim <name=value>', 'a claim of its token, as text or JSON; may be said again', collected, [])
    .option('--actor <subject>', 'who acts for it, nearest first; may be said again', collected, [])
    .option('--issuer <address>', 'who vouches for it; the first of the configuration when absent')
    .option('--address <ip>', 'where it connects from')
    .option('--parameter <value>', 'the value of $1, then of $2, …; may be said again', collected, [])
    .option('--body <json>', 'the body of a request')
    .option('--approved-by <subject>', 'as if this person had approved it; may be said again', collected, [])
    .option('--json', 'everything, for programs')
    .addOption(configOption())
    .addHelpText(
      'after',
      `
It asks the policy of the configuration, reads the target's catalog with the configured credential, and prints
what the statement does, from which columns each output comes, what would be masked and how, and what is decided.
A statement never reaches the target. Plugins of your own are not asked.

The exit code says what would happen:
  0  it is allowed
  1  it is denied
  2  it cannot be told: the configuration, the target or this command line is wrong
  3  it would wait for an approval

Examples:
  sluice explain --target shop --agent support-agent --group support "SELECT name, upper(email) FROM customers"
  sluice explain -t shop -a cleanup-agent -g cleanup --approved-by dana "DELETE FROM carts WHERE id = 7"
  sluice explain -t shop-api -a support-agent -g support "GET /customers/1"
  sluice explain -t shop -a support-agent -g support --json "TABLE customers" | jq .results`,
    )
    .exitOverride(({ exitCode }) => terminal.exit(exitCode === 0 ? 0 : exitCodes.unknown))
    .action(async (text: string, { config: file, json, ...options }: Options) => {
      const { group: groups, actor: actors, approvedBy: approvers, claim, ...rest } = options
      let told: Explanation
      try {
        const config = await readConfig(file, { files: nodeFiles, env: terminal.env })
        const claims = Object.fromEntries(claim.map(parsedClaim))
        const runtime = await terminal.runtime()
        told = await explanation({ text, groups, actors, approvers, claims, ...rest }, config, runtime)
      } catch (error) {
        throw new CommandError(inWords(error), { exitCode: exitCodes.unknown })
      }
      if (json) terminal.print(JSON.stringify(told, undefined, 2))
      else for (const { text, style } of explanationLines(told)) terminal.print(text, style)
      terminal.endWith(exitCodes[told.verdict])
    })
}

const exitCodes = { allowed: 0, denied: 1, unknown: 2, 'needs approval': 3 } as const

function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

function parsedClaim(claim: string): [string, unknown] {
  const end = claim.indexOf('=')
  if (end < 1) throw new CommandError(`Cannot read claim "${claim}": it must be NAME=VALUE`)
  const value = claim.slice(end + 1)
  try {
    return [claim.slice(0, end), JSON.parse(value)]
  } catch {
    return [claim.slice(0, end), value]
  }
}
