/** Names what a statement does, in the words of the manual's SQL command reference. @module */
import { child, type Node, text } from './node.ts'

/** Whether a node of this kind is a statement, at whatever depth. */
export function isStatement(kind: string): boolean {
  return kind.endsWith('Stmt') && kind !== 'RawStmt'
}

/**
 * The commands that one statement node stands for, without those nested in it. Kinds that nobody listed
 * get a name made from the node's (`AlterTableMoveAllStmt`: `alter table move all`): never none.
 */
export function commandsOf(kind: string, node: Node): readonly string[] {
  switch (kind) {
    case 'SelectStmt':
      return node.intoClause ? ['select', 'create table as'] : ['select']
    case 'CreateTableAsStmt':
      return [node.objtype === 'OBJECT_MATVIEW' ? 'create materialized view' : 'create table as']
    case 'CopyStmt':
      return copy(node)
    case 'TransactionStmt':
      return [transactions[text(node.kind)] ?? 'transaction']
    case 'VariableSetStmt':
      return [text(node.kind).startsWith('VAR_RESET') ? 'reset' : 'set']
    case 'VacuumStmt':
      return [node.is_vacuumcmd ? 'vacuum' : 'analyze']
    case 'FetchStmt':
      return [node.ismove ? 'move' : 'fetch']
    case 'GrantStmt':
    case 'GrantRoleStmt':
      return [node.is_grant ? 'grant' : 'revoke']
    case 'AlterDefaultPrivilegesStmt':
      return ['alter default privileges', child(node, 'action').is_grant ? 'grant' : 'revoke']
    case 'DropStmt':
      return [`drop ${objectWords(node.removeType)}`]
    case 'DefineStmt':
      return [`create ${objectWords(node.kind)}`]
    case 'AlterTableStmt':
      return [`alter ${objectWords(node.objtype)}`]
    case 'RenameStmt':
      return [
        `alter ${objectWords(relationPart.has(text(node.renameType)) ? node.relationType : node.renameType)}`,
      ]
    case 'AlterObjectSchemaStmt':
    case 'AlterObjectDependsStmt':
    case 'AlterOwnerStmt':
      return [`alter ${objectWords(node.objectType)}`]
    case 'AlterFunctionStmt':
      return [`alter ${objectWords(node.objtype)}`]
    case 'CreateFunctionStmt':
      return [node.is_procedure ? 'create procedure' : 'create function']
    case 'AlterTableMoveAllStmt':
      return [`alter ${objectWords(node.objtype)}`]
    default:
      return [named[kind] ?? words(kind.replace(/Stmt$/, ''))]
  }
}

/** A server-side file or program is named besides the direction, so that policies can tell it apart. */
function copy(node: Node): readonly string[] {
  const direction = node.is_from ? 'copy from' : 'copy to'
  if (node.is_program) return [direction, 'copy program']
  return node.filename === undefined ? [direction] : [direction, 'copy file']
}

/** `OBJECT_FOREIGN_TABLE`: `foreign table`. */
function objectWords(type: unknown): string {
  return objects[text(type)] ?? text(type).replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()
}

function words(camel: string): string {
  return camel.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
}

/** Renaming these is an ALTER of the relation that has them. */
const relationPart = new Set(['OBJECT_COLUMN', 'OBJECT_ATTRIBUTE'])

const objects: Readonly<Record<string, string>> = {
  OBJECT_MATVIEW: 'materialized view',
  OBJECT_FDW: 'foreign data wrapper',
  OBJECT_FOREIGN_SERVER: 'server',
  OBJECT_TSPARSER: 'text search parser',
  OBJECT_TSDICTIONARY: 'text search dictionary',
  OBJECT_TSTEMPLATE: 'text search template',
  OBJECT_TSCONFIGURATION: 'text search configuration',
  OBJECT_OPCLASS: 'operator class',
  OBJECT_OPFAMILY: 'operator family',
  OBJECT_STATISTIC_EXT: 'statistics',
  OBJECT_DOMCONSTRAINT: 'domain',
  OBJECT_TABCONSTRAINT: 'table',
  OBJECT_LARGEOBJECT: 'large object',
}

const transactions: Readonly<Record<string, string>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release savepoint',
  TRANS_STMT_ROLLBACK_TO: 'rollback to savepoint',
  TRANS_STMT_PREPARE: 'prepare transaction',
  TRANS_STMT_COMMIT_PREPARED: 'commit prepared',
  TRANS_STMT_ROLLBACK_PREPARED: 'rollback prepared',
}

/** Where the node's name is not the command's. */
const named: Readonly<Record<string, string>> = {
  AlterCollationStmt: 'alter collation',
  AlterDatabaseRefreshCollStmt: 'alter database',
  AlterDatabaseSetStmt: 'alter database',
  AlterEnumStmt: 'alter type',
  AlterEventTrigStmt: 'alter event trigger',
  AlterExtensionContentsStmt: 'alter extension',
  AlterFdwStmt: 'alter foreign data wrapper',
  AlterForeignServerStmt: 'alter server',
  AlterOpFamilyStmt: 'alter operator family',
  AlterRoleSetStmt: 'alter role',
  AlterSeqStmt: 'alter sequence',
  AlterStatsStmt: 'alter statistics',
  AlterTSConfigurationStmt: 'alter text search configuration',
  AlterTSDictionaryStmt: 'alter text search dictionary',
  AlterTableSpaceOptionsStmt: 'alter tablespace',
  CheckPointStmt: 'checkpoint',
  ClosePortalStmt: 'close',
  CompositeTypeStmt: 'create type',
  ConstraintsSetStmt: 'set constraints',
  CreateAmStmt: 'create access method',
  CreateEnumStmt: 'create type',
  CreateEventTrigStmt: 'create event trigger',
  CreateFdwStmt: 'create foreign data wrapper',
  CreateForeignServerStmt: 'create server',
  CreateOpClassStmt: 'create operator class',
  CreateOpFamilyStmt: 'create operator family',
  CreatePLangStmt: 'create language',
  CreateRangeStmt: 'create type',
  CreateSeqStmt: 'create sequence',
  CreateStatsStmt: 'create statistics',
  CreateStmt: 'create table',
  CreateTableSpaceStmt: 'create tablespace',
  CreateTrigStmt: 'create trigger',
  CreatedbStmt: 'create database',
  DeclareCursorStmt: 'declare',
  DropTableSpaceStmt: 'drop tablespace',
  DropdbStmt: 'drop database',
  IndexStmt: 'create index',
  RefreshMatViewStmt: 'refresh materialized view',
  RuleStmt: 'create rule',
  SecLabelStmt: 'security label',
  VariableShowStmt: 'show',
  ViewStmt: 'create view',
}
