/**
 * What a startup message asks of the session besides who and where: settings, by name or in `options`, and
 * replication mode. Read as the server would, so that policy sees what it would do.
 * Source: PostgreSQL manual, 54.7 "StartupMessage" and 19.3 "Parameter Interaction via the Shell";
 * `pg_split_opts` and `ParseLongOption` of the server.
 *
 * @module
 */
import { Denied } from '../errors.ts'

export interface StartupSettings {
  /** Settings by lower-case name; `application_name` and `client_encoding`, which say nothing new, are not among them. */
  readonly settings: ReadonlyMap<string, string>
  readonly application: string | undefined
  /** A connection for replication (54.4), which speaks another protocol. */
  readonly isReplication: boolean
}

/**
 * @param parameters of the startup message, without `user` and `database`
 * @throws Denied when the server would not understand them, or would read statements in another encoding than the gateway
 */
export function startupSettings(parameters: ReadonlyMap<string, string>): StartupSettings {
  const settings = new Map<string, string>()
  // The server applies `options` first, so what has a name of its own wins.
  for (const [name, value] of optionSettings(parameters.get('options') ?? '')) set(settings, name, value)
  for (const [name, value] of parameters) {
    if (name !== 'options' && name !== 'replication') set(settings, name, value)
  }
  const application = settings.get('application_name')
  const encoding = settings.get('client_encoding') ?? 'UTF8'
  if (!/^'?utf-?8'?$|^unicode$/i.test(encoding)) {
    // Statements are analysed as UTF-8: in another encoding the server might read them differently.
    throw new Denied('unsupported', 'Cannot start session: "client_encoding" must be UTF8')
  }
  settings.delete('application_name')
  settings.delete('client_encoding')
  return { settings, application, isReplication: isReplication(parameters.get('replication')) }
}

/** Words of the startup message itself: as the name of a setting they would be taken for more than that. */
const reserved = new Set(['user', 'database', 'options', 'replication'])

const settingName = /^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$/

function set(settings: Map<string, string>, written: string, value: string): void {
  const name = written.toLowerCase()
  if (!settingName.test(name) || reserved.has(name)) {
    throw new Denied('invalid', 'Cannot start session: the name of a startup parameter is malformed')
  }
  if (name === 'role') {
    // RESET ROLE would come back to it, and to names that mean something else than for the target's account.
    throw new Denied('unsupported', 'Cannot start session: "role" cannot be set as it starts', {
      hint: 'Use SET ROLE once it has started.',
    })
  }
  settings.set(name, value)
}

/** Anything that is not plainly "no" is taken for a wish to replicate; the server refuses what is neither. */
function isReplication(value: string | undefined): boolean {
  return value !== undefined && !/^(false|off|no|0)$/i.test(value)
}

/** `-c name=value`, `-cname=value` and `--name=value`, the switches of a server process that are settings. */
function* optionSettings(options: string): Generator<readonly [name: string, value: string]> {
  const words = wordsOf(options)
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const assignment = word === '-c' ? words.shift() : /^(?:-c|--)(.+)$/s.exec(word)?.[1]
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(assignment ?? '') ?? []
    if (name === undefined || value === undefined) {
      throw new Denied('unsupported', 'Cannot start session: "options" holds more than settings', {
        hint: 'Write options as -c name=value.',
      })
    }
    yield [name.replaceAll('-', '_'), value]
  }
}

/** White space parts words, a backslash takes the next character as it is. */
function wordsOf(options: string): string[] {
  const words: string[] = []
  for (const [word] of options.matchAll(/(?:\\[\s\S]|[^ \t\n\v\f\r\\])+/g))
    words.push(word.replace(/\\([\s\S])/g, '$1'))
  return words
}
