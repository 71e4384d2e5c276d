/** Which parts of the input the rules of a policy can read. @module */

/**
 * Paths such as `operation.facts.commands`, from the syntax tree that `opa parse --format json` prints.
 * Never too few: a reference ends at its first variable, an alias counts as what it stands for, and a mention
 * of `input` itself (as a value, or replaced by `with`) counts as all of it: `input`.
 */
export function policyReads(tree: unknown): string[] {
  const paths = new Set<string>()
  visit(tree)
  if (paths.has('input')) return ['input']
  return [...paths].filter((path) => !parents(path).some((parent) => paths.has(parent))).sort()

  function visit(node: unknown): void {
    if (!isObject(node)) return
    const { type, value } = node
    if (type === 'ref' && Array.isArray(value) && isInput(value[0])) {
      const rest: unknown[] = value.slice(1)
      paths.add(leadingNames(rest).join('.') || 'input')
      visit(rest)
    } else {
      if (isInput(node)) paths.add('input')
      for (const child of Object.values(node)) visit(child)
    }
  }
}

function leadingNames(terms: readonly unknown[]): unknown[] {
  const end = terms.findIndex((term) => !isObject(term) || term.type !== 'string')
  return (end < 0 ? terms : terms.slice(0, end)).map((term) => isObject(term) && term.value)
}

function parents(path: string): string[] {
  const names = path.split('.')
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join('.'))
}

function isInput(node: unknown): boolean {
  return isObject(node) && node.type === 'var' && node.value === 'input'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
