/** Statements whose effect on the meaning of names their text tells completely. @module */
import { isNamespacePath, isWholeName, type NameChange, type NameValues, schemasIn } from './name-state.ts'
import { child, constantText, isNode, type Node, names, nodes, text } from './node.ts'

/** What a statement does to the names of those after it; `undefined` when its text does not tell. */
export function nameChangesOf(statement: Node): readonly NameChange[] | undefined {
  if (isNode(statement.TransactionStmt)) return transactionChanges(statement.TransactionStmt)
  if (isNode(statement.VariableSetStmt)) return settingChanges(statement.VariableSetStmt)
  if (isNode(statement.DiscardStmt))
    return statement.DiscardStmt.target === 'DISCARD_ALL' ? [{ kind: 'discard' }] : []
  if (isNode(statement.SelectStmt)) return setConfigChanges(statement.SelectStmt)
  // These are for sessions to come.
  if (statement.AlterRoleSetStmt || statement.AlterDatabaseSetStmt || statement.AlterSystemStmt) return []
  return undefined
}

function transactionChanges(body: Node): readonly NameChange[] {
  const name = text(body.savepoint_name)
  switch (body.kind) {
    case 'TRANS_STMT_COMMIT':
      return [{ kind: 'commit' }]
    case 'TRANS_STMT_ROLLBACK':
      return [{ kind: 'rollback' }]
    case 'TRANS_STMT_SAVEPOINT':
      return [{ kind: 'savepoint', name }]
    case 'TRANS_STMT_RELEASE':
      return [{ kind: 'release', name }]
    case 'TRANS_STMT_ROLLBACK_TO':
      return [{ kind: 'rollback to', name }]
    case 'TRANS_STMT_PREPARE':
      return [{ kind: 'commit' }]
    default:
      return []
  }
}

function settingChanges(body: Node): readonly NameChange[] {
  const isLocal = body.is_local === true
  // Neither the role nor session_authorization are among ALL (GUC_NO_RESET_ALL).
  if (body.kind === 'VAR_RESET_ALL') return [{ kind: 'path', value: { kind: 'initial' }, isLocal: false }]
  const isReset = body.kind === 'VAR_RESET' || body.kind === 'VAR_SET_DEFAULT'
  const values = body.kind === 'VAR_SET_VALUE' ? nodes(body.args).map(constantText) : undefined
  switch (text(body.name).toLowerCase()) {
    case 'search_path':
      return [{ kind: 'path', value: isReset ? { kind: 'initial' } : listed(values), isLocal }]
    case 'role':
      return [{ kind: 'role', value: isReset ? { kind: 'initial' } : role(values?.[0]), isLocal }]
    case 'session_authorization':
      return [{ kind: 'user', isLocal }]
    default:
      return []
  }
}

/** Each constant of SET search_path is one schema, whatever is in it. */
function listed(values: readonly (string | undefined)[] | undefined): NameValues['path'] {
  const schemas = values?.filter((schema) => schema !== undefined)
  if (!schemas || schemas.length !== values?.length) return { kind: 'unknown' }
  return pathOf(schemas)
}

function pathOf(schemas: readonly string[] | undefined): NameValues['path'] {
  return schemas?.every(isNamespacePath) ? { kind: 'set', value: schemas } : { kind: 'unknown' }
}

function role(name: string | undefined): NameValues['role'] {
  return name !== undefined && isWholeName(name) ? { kind: 'set', value: name } : { kind: 'unknown' }
}

/** `SELECT set_config('…', '…', …)` and nothing else: anywhere else it may run never, or many times. */
function setConfigChanges(body: Node): readonly NameChange[] | undefined {
  const { targetList, limitOption, op, ...others } = body
  const targets = nodes(targetList)
  const isPlain = limitOption === 'LIMIT_OPTION_DEFAULT' && op === 'SETOP_NONE' && targets.length === 1
  const call = child(child(child(targets[0] ?? {}, 'ResTarget'), 'val'), 'FuncCall')
  const { funcname, args, funcformat, location, ...modifiers } = call
  const [setting, value, isLocal, ...rest] = nodes(args)
  if (!isPlain || Object.keys(others).length > 0 || Object.keys(modifiers).length > 0) return undefined
  if (!isSetConfig(names(funcname)) || rest.length > 0) return undefined
  const name = constantText(setting)?.toLowerCase()
  const local = constantBoolean(isLocal)
  if (name === undefined || local === undefined) return undefined
  switch (name) {
    case 'search_path': {
      const to = constantText(value)
      return [
        {
          kind: 'path',
          value: to === undefined ? { kind: 'unknown' } : pathOf(schemasIn(to)),
          isLocal: local,
        },
      ]
    }
    case 'role':
      return [{ kind: 'role', value: role(constantText(value)), isLocal: local }]
    case 'session_authorization':
      return [{ kind: 'user', isLocal: local }]
    default:
      return []
  }
}

/** Whose function an unqualified name means is looked at elsewhere: with others about, nothing is known. */
function isSetConfig(name: readonly string[]): boolean {
  return (
    name.at(-1) === 'set_config' && (name.length === 1 || (name.length === 2 && name[0] === 'pg_catalog'))
  )
}

function constantBoolean(node: Node | undefined): boolean | undefined {
  const constant = child(node ?? {}, 'A_Const')
  if (!isNode(constant.boolval)) return undefined
  return constant.boolval.boolval === true
}
