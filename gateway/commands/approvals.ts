import { Command, Option } from 'commander'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { approvalDocument, approvalsGiven } from './approval-document.ts'
import { approvalInList, approvalWhole } from './approval-lines.ts'
import { jsonLine } from './json-line.ts'
import { CommandError, type Terminal } from './terminal.ts'

interface GatewayOptions {
  readonly url: string
  readonly tokenFile?: string
}

const timeoutMs = 30_000
const maximumTokenBytes = 64 * 1024

const approvals = z.object({ approvals: z.array(approvalDocument) })
const jsonHelp = '\nThe keys of the JSON are explained in docs/http.md.'
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
  sluice approvals list                    what waits for an answer now
  sluice approvals list --all --json | jq -r 'select(.status == "rejected").asker.subject'
  sluice approvals show 4f1c…-0            who asks for what, since when, and who has answered
  sluice approvals approve 4f1c…-0 --comment "checked with finance"
  sluice approvals reject 4f1c…-0 --url https://sluice.example --token-file ~/.sluice-token`,
    )

  addGatewayOptions(command.command('list'))
    .description('What waits for an answer now')
    .option('--all', 'also what was answered or has expired')
    .option('--json', 'one JSON object a line, for programs')
    .addHelpText('after', jsonHelp)
    .action(async ({ all, json, ...options }: GatewayOptions & { all?: true; json?: true }) => {
      const found = approvals.parse(await ask(options, all ? '' : '?status=pending')).approvals
      if (found.length === 0 && !json) terminal.print('Nothing waits for approval')
      for (const line of json ? found.map(jsonLine) : found.flatMap(approvalInList)) terminal.print(line)
    })

  addGatewayOptions(command.command('show'))
    .description('One of them: what is asked, by whom, since when, and the votes so far')
    .argument('<id>', 'the approval')
    .option('--json', 'as one JSON object, for programs')
    .addHelpText('after', jsonHelp)
    .action(async (id: string, { json, ...options }: GatewayOptions & { json?: true }) => {
      const found = approvalDocument.parse(await ask(options, `/${encodeURIComponent(id)}`))
      for (const line of json ? [jsonLine(found)] : approvalWhole(found)) terminal.print(line)
    })

  for (const vote of ['approve', 'reject'] as const) {
    addGatewayOptions(command.command(vote))
      .description(vote === 'approve' ? 'Let the operation run' : 'Refuse the operation')
      .argument('<id>', 'the approval')
      .option('--comment <text>', 'why, for the one who asked and for the record')
      .action(async (id: string, { comment, ...options }: GatewayOptions & { comment?: string }) => {
        const answered = approvalDocument.parse(
          await ask(options, `/${encodeURIComponent(id)}/${vote}`, {
            ...(comment !== undefined && { comment }),
          }),
        )
        const { status, quorum } = answered
        terminal.print(
          status === 'pending'
            ? `Counted: ${approvalsGiven(answered)} of ${quorum} have approved`
            : `It is ${status}`,
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
