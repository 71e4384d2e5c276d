/** The name that PostgreSQL gives an output without one. Source: `FigureColname` in parse_target.c. @module */
import { child, isNode, kinded, type Node, names, nodes, text } from '../node.ts'

/**
 * @returns `undefined` for what has a name that depends on the version or is not worked out here: whoever looks
 *   for a column must take it for the one that is meant
 */
export function outputName(target: Node): string | undefined {
  if (target.name !== undefined) return text(target.name)
  const figured = figure(target.val)
  return figured === 'unknown' ? undefined : (figured?.name ?? '?column?')
}

interface Figured {
  readonly name: string
  /** A name of less weight gives way to one around it. */
  readonly isWeak: boolean
}

function figure(value: unknown): Figured | 'unknown' | undefined {
  if (!isNode(value)) return undefined
  const [kind, body] = kinded(value) ?? ['', value]
  switch (kind) {
    case 'ColumnRef':
      return strong(names(body.fields).at(-1))
    case 'A_Indirection':
      return strong(names(body.indirection).at(-1)) ?? figure(body.arg)
    case 'FuncCall':
      return strong(names(body.funcname).at(-1))
    case 'A_Expr':
      return body.kind === 'AEXPR_NULLIF' ? strong('nullif') : undefined
    case 'TypeCast':
      return cast(body)
    case 'CollateClause':
      return figure(body.arg)
    case 'SubLink':
      return subquery(body)
    case 'CaseExpr': {
      const inner = figure(body.defresult)
      return inner === undefined || (inner !== 'unknown' && inner.isWeak) ? weak('case') : inner
    }
    case 'GroupingFunc':
      return strong('grouping')
    case 'A_ArrayExpr':
      return strong('array')
    case 'RowExpr':
      return strong('row')
    case 'CoalesceExpr':
      return strong('coalesce')
    case 'MinMaxExpr':
      return strong(body.op === 'IS_LEAST' ? 'least' : 'greatest')
    case 'A_Const':
    case 'ParamRef':
    case 'BoolExpr':
    case 'NullTest':
    case 'BooleanTest':
    case 'SetToDefault':
      return undefined
    default:
      return 'unknown'
  }
}

function cast(body: Node): Figured | 'unknown' | undefined {
  const inner = figure(body.arg)
  if (inner === 'unknown' || (inner && !inner.isWeak)) return inner
  const type = names(child(body, 'typeName').names).at(-1)
  return type === undefined ? inner : weak(type)
}

function subquery(body: Node): Figured | 'unknown' | undefined {
  switch (body.subLinkType) {
    case 'EXISTS_SUBLINK':
      return strong('exists')
    case 'ARRAY_SUBLINK':
      return strong('array')
    case 'EXPR_SUBLINK': {
      const select = child(child(body, 'subselect'), 'SelectStmt')
      const [target] = nodes(select.targetList)
      const name = target && outputName(child(target, 'ResTarget'))
      return name === undefined ? 'unknown' : strong(name)
    }
    default:
      return undefined
  }
}

function strong(name: string | undefined): Figured | undefined {
  return name === undefined ? undefined : { name, isWeak: false }
}

function weak(name: string): Figured {
  return { name, isWeak: true }
}
