import { Command } from 'commander'
import { type Config, readConfig, type TargetConfig } from '../config.ts'
import { keys } from '../config-keys.ts'
import { openStore } from '../config-store.ts'
import { postgresTarget } from '../config-targets.ts'
import { keySet } from '../identity/key-set.ts'
import type { Log } from '../log.ts'
import { readBundle } from '../policy/bundle.ts'
import { policy } from '../policy/policy.ts'
import { connectUpstream } from '../postgres/connect-upstream.ts'
import { signer } from '../recordings/signer.ts'
import { nodeFiles } from '../runtime/node-files.ts'
import { nodeNetwork } from '../runtime/node-network.ts'
import { configOption } from './config-option.ts'
import { inWords } from './in-words.ts'
import { CommandError, type Terminal } from './terminal.ts'

interface Check {
  readonly subject: string
  /** @returns what is good about it, in words; throws what is wrong */
  run(): Promise<string>
}

const timeoutMs = 10_000
const maximumBundleBytes = 64 * 1024 * 1024

/** `sluice check`: everything that `serve` needs, tried out and told in words. */
export function checkCommand(terminal: Terminal): Command {
  return new Command('check')
    .description('Try out the configuration: policy, store, issuers, and the credential of every target')
    .addOption(configOption())
    .addHelpText(
      'after',
      '\nThe exit code is 0 when everything is fine.\n\nExample:\n  sluice check --config sluice.yaml',
    )
    .action(async (options: { config: string }) => {
      const config = await readConfig(options.config, { files: nodeFiles, env: terminal.env })
      terminal.print(`✓ configuration: ${options.config} can be used`)
      const checks = checksOf(config)
      const outcomes = await Promise.all(checks.map(outcome))
      for (const { line } of outcomes) terminal.print(line)
      const failures = outcomes.filter(({ ok }) => !ok).length
      if (failures > 0)
        throw new CommandError(`Cannot serve: ${failures} of ${checks.length + 1} checks failed`)
    })
}

function checksOf(config: Config): Check[] {
  return [
    { subject: `policy ${config.policy.bundle}`, run: () => checkPolicy(config.policy.bundle) },
    { subject: `store ${config.store.kind}`, run: () => checkStore(config) },
    ...config.identity.issuers.map(({ issuer }) => ({
      subject: `issuer ${issuer}`,
      run: () => checkIssuer(issuer),
    })),
    ...config.targets.map((target) => ({ subject: `target ${target.name}`, run: () => checkTarget(target) })),
  ]
}

async function outcome({ subject, run }: Check): Promise<{ ok: boolean; line: string }> {
  try {
    return { ok: true, line: `✓ ${subject}: ${await run()}` }
  } catch (error) {
    return { ok: false, line: `✗ ${subject}: ${inWords(error)}` }
  }
}

async function checkPolicy(folder: string): Promise<string> {
  const bundle = await readBundle((name) => nodeFiles.read(`${folder}/${name}`, maximumBundleBytes))
  return `revision ${policy({ bundle, log: silent, now: Date.now }).revision} can decide`
}

async function checkStore(config: Config): Promise<string> {
  signer((await keys(config, nodeFiles)).signing)
  const store = await openStore(config.store, nodeFiles)
  try {
    await store.ping()
    return 'answers'
  } finally {
    await store.close()
  }
}

async function checkIssuer(issuer: string): Promise<string> {
  await keySet(issuer, { fetch, now: Date.now, log: silent }).load()
  return 'its keys can be read'
}

async function checkTarget(target: TargetConfig): Promise<string> {
  switch (target.kind) {
    case 'postgres':
      return await checkDatabase(target)
    case 'http':
      return await checkService(target)
  }
}

async function checkDatabase(target: TargetConfig & { kind: 'postgres' }): Promise<string> {
  const upstream = await connectUpstream(
    nodeNetwork,
    postgresTarget(target),
    new Map([['application_name', 'sluice check']]),
    // Each host has a limit of its own.
    new AbortController().signal,
  )
  upstream.end()
  const how = `${upstream.authenticatedBy}, ${encryption[target.tls.mode]}`
  return `"${target.user}" can sign in to database "${target.database}" (${how})`
}

const encryption = {
  disable: 'no TLS',
  require: 'TLS, certificate not checked',
  'verify-ca': 'TLS, certificate checked',
  'verify-full': 'TLS, certificate and name checked',
} as const

async function checkService({ url, credential }: TargetConfig & { kind: 'http' }): Promise<string> {
  const response = await fetch(url, {
    headers: credential ? { [credential.header]: credential.value.reveal() } : {},
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  })
  await response.body?.cancel()
  if (response.status === 401 || response.status === 403) {
    throw new Error(
      `it answers ${response.status}: ${credential ? 'the credential is not good' : 'it wants a credential'}`,
    )
  }
  return `answers ${response.status}`
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
