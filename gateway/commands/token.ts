import { Command } from 'commander'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'
import { CommandError, type Terminal } from './terminal.ts'

interface TokenOptions {
  readonly issuer: string
  readonly client: string
  readonly secret: string
  readonly resource?: string
}

const timeoutMs = 10_000

/** `sluice token`: an access token by client credentials (RFC 6749, 4.4), to try things out with. */
export function tokenCommand(terminal: Terminal): Command {
  return new Command('token')
    .description('Get an access token from a development issuer, and print it')
    .requiredOption('-i, --issuer <address>', 'the issuer, as in the configuration')
    .requiredOption('--client <id>', 'who asks for the token')
    .option(
      '--secret <name>',
      'environment variable that holds the secret of the client',
      'SLUICE_CLIENT_SECRET',
    )
    .option('--resource <uri>', 'what the token is for (RFC 8707), when the issuer needs to be told')
    .addHelpText(
      'after',
      `
For development only: agents get their tokens from their own platform.

Example:
  SLUICE_CLIENT_SECRET=… sluice token --issuer http://127.0.0.1:4000 --client reporting
  PGPASSWORD=$(sluice token -i http://127.0.0.1:4000 --client reporting) psql "host=127.0.0.1 port=6432 dbname=shop"`,
    )
    .action(async (options: TokenOptions) => terminal.print(await token(options, terminal.env)))
}

const metadata = z.object({ token_endpoint: z.string() })
const answer = z.object({ access_token: z.string() })
const failure = z.object({ error: z.string(), error_description: z.string().optional() })

async function token(options: TokenOptions, env: Terminal['env']): Promise<string> {
  const { issuer, client, resource } = options
  const secret = env[options.secret]
  if (!secret)
    throw new CommandError(`Cannot get token: the environment variable "${options.secret}" is not set`)
  const discovered = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const { token_endpoint } = parsed(metadata, discovered.document)
  const credentials = [client, secret].map(encodeURIComponent).join(':')
  const { ok, document } = await ask(token_endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(credentials)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(resource ? { resource } : {}) }),
  })
  if (!ok) {
    const { error, error_description } = parsed(failure, document)
    throw new CommandError(`Cannot get token: the issuer says "${error_description ?? error}"`)
  }
  return parsed(answer, document).access_token
}

async function ask(address: string, init: RequestInit = {}): Promise<{ ok: boolean; document: unknown }> {
  const url = URL.parse(address)
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new CommandError(`Cannot get token: "${address}" must use https, or http on loopback`)
  }
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    return { ok: response.ok, document: await response.json() }
  } catch (cause) {
    throw new CommandError(`Cannot get token: "${address}" gave no answer that can be read`, { cause })
  }
}

function parsed<Output>(schema: z.ZodType<Output>, document: unknown): Output {
  const result = schema.safeParse(document)
  if (result.success) return result.data
  throw new CommandError('Cannot get token: the issuer did not answer as OAuth 2.0 demands')
}
