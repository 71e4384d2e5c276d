/** The opening of a session, on its way through the chain: what it asks of the target's settings is decided. @module */
import { createHash } from 'node:crypto'
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import { noFacts, type SqlFacts } from '../facts.ts'
import type { MaskPlan, Received, SqlOperation } from '../operation.ts'
import type { EstablishedSession } from '../plugin.ts'
import { isHarmlessSetting } from '../sql/harmless.ts'
import { uuid } from '../uuid.ts'
import type { StartupSettings } from './startup-settings.ts'

export class ConnectOperation implements SqlOperation {
  readonly kind = 'sql'
  readonly action = 'connect'
  readonly id = uuid()
  /** It logs in and changes nothing. */
  readonly isReadOnly = true
  readonly parameters = []
  readonly received = nothingReceived
  readonly text: string
  readonly recordedText: string
  readonly mayHoldSecrets: boolean
  readonly facts: SqlFacts
  readonly #session: EstablishedSession

  constructor(session: EstablishedSession, { settings, isReplication }: StartupSettings) {
    this.#session = session
    const sorted = [...settings].sort(([a], [b]) => (a < b ? -1 : 1))
    const written = (value: (setting: readonly [string, string]) => string): string => {
      const assignments = sorted.map((setting) => `${setting[0]}=${value(setting)}`)
      return ['connect', ...(isReplication ? ['for replication'] : []), ...assignments].join(' ')
    }
    this.text = written(([, value]) => value)
    this.recordedText = written(([name, value]) => (secretName.test(name) ? '***' : value))
    this.mayHoldSecrets = this.recordedText !== this.text
    this.facts = {
      ...noFacts,
      status: 'known',
      problems: [],
      statements: 1,
      commands: isReplication ? ['connect', 'replication'] : ['connect'],
      relations: [],
      columns: [],
      functions: [],
      settings: sorted.map(([name]) => name),
      has_where: true,
      startup: Object.fromEntries(sorted),
    }
  }

  async fingerprint(): Promise<string> {
    const { principal, target } = this.#session
    const { issuer, subject, actors } = principal
    const asked = JSON.stringify([
      issuer,
      subject,
      actors,
      target.name,
      this.action,
      this.facts.commands,
      this.text,
    ])
    return createHash('sha256').update(asked).digest('hex').slice(0, fingerprintCharacters)
  }

  /**
   * It has no result, but what it sets holds for all that follow: where columns are masked no more than a SET may.
   * @throws Denied `unmaskable`
   */
  trace(masks: readonly Mask[]): MaskPlan {
    const settings = Object.entries(this.facts.startup ?? {})
    const harmful = settings.find(([name, value]) => !isHarmlessSetting(name, value))
    if (harmful && masks.some(({ kind }) => kind === 'column')) {
      throw new Denied('unmaskable', `Cannot open session: setting "${harmful[0]}" may change what is masked`)
    }
    return { masked: [], apply: (result) => result }
  }
}

const nothingReceived: Received = { bytes: 0, digest: () => createHash('sha256').digest('hex') }

const fingerprintCharacters = 32

const secretName = /passw|secret|token/i
