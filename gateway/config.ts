/** Reads the configuration: one YAML file, checked as a whole, secrets fetched from where it points. @module */
import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { configSchema, type References } from './config-schema.ts'
import type { Files } from './files.ts'

export type Config = z.output<ReturnType<typeof configSchema>>
export type TargetConfig = Config['targets'][number]

/** The configuration cannot be used; one line for each problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export interface ReadConfigOptions {
  readonly files: Files
  /** The environment that `env:NAME` looks into. */
  readonly env: Readonly<Record<string, string | undefined>>
}

const maximumConfigBytes = 1024 * 1024
const maximumSecretBytes = 256 * 1024

/** @throws ConfigError */
export async function readConfig(file: string, { files, env }: ReadConfigOptions): Promise<Config> {
  const references: References = {
    path: (path) => files.resolve(file, path),
    async resolve(reference) {
      const [kind, ...rest] = reference.split(':')
      const name = rest.join(':')
      if (kind === 'file') return await secretFile(files, files.resolve(file, name))
      const value = env[name]
      if (!value) throw new Error(`refers to the environment variable "${name}", which is not set`)
      return value
    },
  }
  return await parseConfig(parseYaml(await configText(files, file)), references)
}

/** Checks a configuration that was read already. @throws ConfigError that names every wrong key */
export async function parseConfig(value: unknown, references: References): Promise<Config> {
  const result = await configSchema(references).safeParseAsync(value, { error: expectation })
  if (result.success) return result.data
  throw problem(result.error.issues.flatMap((issue) => sentences(issue, value)))
}

async function configText(files: Files, file: string): Promise<string> {
  try {
    return new TextDecoder().decode(await files.read(file, maximumConfigBytes))
  } catch (cause) {
    throw new ConfigError(`Cannot read configuration: ${cause instanceof Error ? cause.message : cause}`)
  }
}

async function secretFile(files: Files, path: string): Promise<string> {
  try {
    const text = new TextDecoder().decode(await files.read(path, maximumSecretBytes))
    // Editors and `echo` end a file with a line break that is no part of a password.
    return text.replace(/\r?\n$/, '')
  } catch (cause) {
    throw new Error(`refers to a file that cannot be read: ${cause instanceof Error ? cause.message : cause}`)
  }
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
  const errors = [...document.errors, ...document.warnings]
  // The parser's own messages quote the text, which may be a secret that somebody wrote down after all.
  if (errors.length > 0) {
    throw problem(
      errors.map(({ code, pos: [start] }) => {
        const { line, col } = lines.linePos(start)
        return `line ${line}, column ${col}: ${code.toLowerCase().replaceAll('_', ' ')}`
      }),
    )
  }
  return document.toJS()
}

function problem(problems: readonly string[]): ConfigError {
  const [only] = problems
  if (problems.length === 1) return new ConfigError(`Cannot read configuration: ${only}`)
  return new ConfigError(`Cannot read configuration: ${problems.length} problems\n  ${problems.join('\n  ')}`)
}

/** What a rule wanted, where the schema does not say it in its own words. */
function expectation(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `is missing, it must be ${withArticle(issue.expected)}`
      return `must be ${withArticle(issue.expected)}`
    case 'invalid_value':
      return `must be ${oneOf(issue.values)}`
    case 'invalid_union':
      return `must be ${oneOf(Array.isArray(issue.options) ? issue.options : [])}`
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty'
      if (issue.origin === 'array') return `must have at least ${issue.minimum} entry`
      return `must be a number of at least ${issue.minimum}`
    case 'too_big':
      return `must be a number of at most ${issue.maximum}`
    default:
      return 'is not valid'
  }
}

function sentences(issue: z.core.$ZodIssue, root: unknown, above: readonly PropertyKey[] = []): string[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${quoted([...path, key])} is not a known key`)
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // A name or an object: whoever wrote an object meant the object.
    const branch = issue.errors.at(typeof valueAt(root, path) === 'object' ? -1 : 0) ?? []
    return branch.flatMap((inner) => sentences(inner, root, path))
  }
  return [`${quoted(path)} ${issue.message}${got(issue, path, valueAt(root, path))}`]
}

/** Where people write "X-Api-Key: secret" instead of a name. */
const nearSecrets = new Set<PropertyKey>(['header', 'policyHeaders'])

/** Says what was found instead, but shows a value only where a number, a choice or a pattern was wanted. */
function got(issue: z.core.$ZodIssue, path: readonly PropertyKey[], value: unknown): string {
  if (path.some((key) => nearSecrets.has(key))) return ''
  if (value === undefined || value === '' || issue.code === 'custom') return ''
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  const wantsText =
    issue.code === 'invalid_type' && ['string', 'object', 'array', 'record'].includes(issue.expected)
  if (isScalar && !wantsText) return `, got ${JSON.stringify(value)}`
  if (issue.code === 'too_small' && Array.isArray(value)) return ''
  return `, got ${withArticle(Array.isArray(value) ? 'array' : value === null ? 'nothing' : typeof value)}`
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], root)
}

function quoted(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file'
  const name = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return `"${name.replace(/^\./, '')}"`
}

function oneOf(values: readonly unknown[]): string {
  return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`
}

function withArticle(type: string): string {
  switch (type) {
    case 'array':
      return 'a list'
    case 'object':
    case 'record':
      return 'a set of keys'
    case 'int':
      return 'a whole number'
    case 'nothing':
      return 'nothing'
    default:
      return `a ${type}`
  }
}
