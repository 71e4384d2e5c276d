import { rules } from '@secretlint/secretlint-rule-preset-recommend'
import type { Find, Found } from './found.ts'

/**
 * Keys, tokens and passwords of services, private keys and addresses with a password in them, by the rules that
 * secretlint recommends; and JSON Web Tokens (RFC 7519).
 */
export function secrets(): Find {
  const reports: Report[] = []
  const translate = () => (messageId: string, data: unknown) => ({ message: messageId, messageId, data })
  const context = { createTranslator: translate, report: (report: Report) => void reports.push(report) }
  const scanners = creators.map((create) => create(context, { enableIDScanRule: true }))
  return (text) => {
    reports.length = 0
    for (const scanner of scanners) scanner.file({ content: text, contentType: 'text', ...file })
    const tokens = [...text.matchAll(jsonWebToken)].map(({ index, 0: token }) => whole(index, token))
    return [...reports.flatMap((report) => placesOf(report, text)), ...tokens]
  }
}

/** Rules for files go by their names: of these, one has tokens that stand in no other. */
const file = { filePath: '.npmrc', ext: '' }

const jsonWebToken = /(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g

interface Report {
  readonly range: readonly [from: number, to: number]
  readonly message: { readonly data?: unknown }
}

interface Scanner {
  file(source: object): unknown
}

type CreateScanner = (context: object, options: object) => Scanner

/** Its comments would let whoever writes a text say that it holds no secret. */
const forComments = '@secretlint/secretlint-rule-filter-comments'

const creators: readonly CreateScanner[] = rules
  .filter(({ meta }) => meta.id !== forComments)
  .map((rule) => rule.create.bind(rule))

/** Where a rule's range stands beside what it has found, it is in what the rule says of it. */
function placesOf({ range: [from, to], message }: Report, text: string): Found[] {
  const named = Object.values(message.data ?? {}).flatMap((value): Found[] => {
    const at = typeof value === 'string' && value !== '' ? text.indexOf(value, from) : -1
    return at < 0 ? [] : [whole(at, String(value))]
  })
  return [{ from, to }, ...named]
}

function whole(from: number, found: string): Found {
  return { from, to: from + found.length }
}
