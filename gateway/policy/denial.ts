import type { Deny } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Principal } from '../plugin.ts'
import { noRuleAllows } from './answer.ts'

/** Of very many groups these tell enough. */
const toldGroups = 10

/**
 * What an agent hears of a policy's denial, alike in both protocols: the reasons, what to do next, and the groups that
 * the policy saw it in, without which nobody can tell which rule was meant to apply. `policy` is the bundle's revision.
 *
 * @example denialFor({ effect: 'deny', reasons: ['no rule lets ann run DELETE on public.orders'] }, ann).code // 'forbidden'
 */
export function denialFor({ reasons, revision }: Deny, { groups }: Pick<Principal, 'groups'>): Denied {
  const code = reasons.includes(noRuleAllows) ? 'undecided' : 'forbidden'
  return new Denied(code, reasons.join('; '), {
    hint: `${next[code]} ${membership(groups)}`,
    facts: revision === undefined ? {} : { policy: revision },
  })
}

const next = {
  forbidden:
    'Rephrase the operation within what the reason allows, or ask the policy owners for a rule that allows it.',
  undecided: 'Ask the policy owners for a rule that allows it.',
} as const

function membership(groups: readonly string[]): string {
  // Quoted as JSON: a group's name holds nothing that ends a message or steers a terminal.
  const told = groups.slice(0, toldGroups).map((group) => JSON.stringify(group))
  const more = groups.length - told.length
  if (told.length === 0) return 'Policy saw you in no group.'
  const all = [...told, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return `Policy saw you in the group${groups.length === 1 ? '' : 's'} ${all}.`
}
