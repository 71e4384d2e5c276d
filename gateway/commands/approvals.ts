import { Command, Option } from 'commander'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { continued } from './continued.ts'
import { CommandError, type Terminal } from './terminal.ts'

interface GatewayOptions {
  readonly url: string
  readonly tokenFile?: string
}

const timeoutMs = 30_000
const maximumTokenBytes = 64 * 1024

/** What is shown of an approval; the gateway's document has more. */
const approval = z.object({
  id: z.string(),
  status: z.string(),
  asker: z.object({ subject: z.string(), actors: z.array(z.string()) }),
  target: z.string(),
  text: z.string(),
  parameters: z.array(z.string()),
  reasons: z.array(z.string()),
  approvers: z.array(z.string()),
  quorum: z.number(),
  votes: z.array(z.object({ subject: z.string(), vote: z.string(), comment: z.string().optional() })),
  deadline: z.string(),
})
const approvals = z.object({ approvals: z.array(approval) })
const problem = z.object({ title: z.string(), detail: z.string().optional() })

/** `sluice approvals`: see what waits for a human, and answer; through the gateway, as oneself. */
export function approvalsCommand(terminal: Terminal): Command {
  const command = new Command('approvals')
    .description('See what waits for approval, and answer it')
    .addHelpText(
      'after',
      `
You vote as the person that the token is for: put it into SLUICE_TOKEN, or a file that --token-file names.

Examples:
  sluice approvals list
  sluice approvals approve 4f1c…-0 --comment "checked with finance"
  sluice approvals reject 4f1c…-0 --url https://sluice.example --token-file ~/.sluice-token`,
    )

  addGatewayOptions(command.command('list'))
    .description('What waits for an answer now')
    .option('--all', 'also what was answered or has expired')
    .action(async (options: GatewayOptions & { all?: true }) => {
      const found = approvals.parse(await ask(options, options.all ? '' : '?status=pending')).approvals
      if (found.length === 0) terminal.print('Nothing waits for approval')
      for (const line of found.flatMap(shown)) terminal.print(line)
    })

  for (const vote of ['approve', 'reject'] as const) {
    addGatewayOptions(command.command(vote))
      .description(vote === 'approve' ? 'Let the operation run' : 'Refuse the operation')
      .argument('<id>', 'the approval')
      .option('--comment <text>', 'why, for the one who asked and for the record')
      .action(async (id: string, { comment, ...options }: GatewayOptions & { comment?: string }) => {
        const { status, votes, quorum } = approval.parse(
          await ask(options, `/${encodeURIComponent(id)}/${vote}`, {
            ...(comment !== undefined && { comment }),
          }),
        )
        const approvals = votes.filter((other) => other.vote === 'approve').length
        terminal.print(
          status === 'pending' ? `Counted: ${approvals} of ${quorum} have approved` : `It is ${status}`,
        )
      })
  }
  return command

  /** @param body what to send; without it the request only reads */
  async function ask({ url, tokenFile }: GatewayOptions, path: string, body?: object): Promise<unknown> {
    const token = tokenFile ? await readToken(tokenFile) : terminal.env.SLUICE_TOKEN
    if (!token)
      throw new CommandError('Cannot ask the gateway: set SLUICE_TOKEN, or name a file with --token-file')
    const address = URL.parse(`${url.replace(/\/$/, '')}/api/approvals${path}`)
    if (address?.protocol !== 'https:' && !(address?.protocol === 'http:' && isLoopback(address.hostname))) {
      throw new CommandError(`Cannot ask the gateway: "${url}" must use https, or http on loopback`)
    }
    const response = await send(address, token, body)
    if (response.ok) return response.document
    const { title, detail } = problem.parse(response.document)
    throw new CommandError(detail ?? title)
  }
}

function addGatewayOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <address>', 'the gateway').default('http://127.0.0.1:8080').env('SLUICE_URL'),
    )
    .option('--token-file <file>', 'file with your token, instead of the variable SLUICE_TOKEN')
}

async function readToken(file: string): Promise<string> {
  return new TextDecoder().decode(await nodeFiles.read(file, maximumTokenBytes)).trim()
}

async function send(address: URL, token: string, body: object | undefined) {
  try {
    const response = await fetch(address, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { ok: response.ok, document: (await response.json()) as unknown }
  } catch (cause) {
    throw new CommandError(`Cannot ask the gateway: "${address.origin}" gave no answer that can be read`, {
      cause,
    })
  }
}

function shown(approval: z.output<typeof approvals>['approvals'][number]): string[] {
  const { id, status, asker, target, text, parameters, reasons, approvers, quorum, votes, deadline } =
    approval
  return [
    `${id}  ${status}, until ${deadline}`,
    `  ${[asker.subject, ...asker.actors].join(', for ')} wants to run at ${target}:`,
    ...continued(`    ${text}`),
    ...parameters.flatMap((line) => continued(`    ${line}`)),
    ...(reasons.length > 0 ? continued(`  because: ${reasons.join('; ')}`) : []),
    `  ${quorum} of ${approvers.join(', ')} must approve`,
    ...votes.flatMap(({ subject, vote, comment }) =>
      continued(`  ${subject}: ${vote}${comment ? `, "${comment}"` : ''}`),
    ),
    '',
  ]
}
