/**
 * The node kinds that lineage has rules for, each with all of its fields that mean something. Lists by
 * allowance: a kind or a field that is not here (a newer grammar's) makes a statement untraceable.
 * Source: PostgreSQL 18, `nodes/parsenodes.h` and `nodes/primnodes.h`.
 *
 * @module
 */
import type { Node } from '../node.ts'

/** Why a node cannot be traced, or `undefined` when all of it is known. */
export function unknownIn(kind: string, body: Node): string | undefined {
  const fields = known[kind]
  if (!fields) return `nothing is known of ${kind}`
  for (const key in body) if (!fields.has(key)) return `nothing is known of ${kind}.${key}`
  return undefined
}

/** Fields are those of the grammar; what parse analysis adds later never stands in a raw tree. */
const table: Readonly<Record<string, string>> = {
  SelectStmt: `distinctClause targetList fromClause whereClause groupClause groupDistinct havingClause windowClause
    valuesLists sortClause limitOffset limitCount limitOption lockingClause withClause op all larg rarg`,
  InsertStmt: 'relation cols selectStmt onConflictClause returningClause withClause override',
  UpdateStmt: 'relation targetList whereClause fromClause returningClause withClause',
  DeleteStmt: 'relation usingClause whereClause returningClause withClause',
  MergeStmt: 'relation sourceRelation joinCondition mergeWhenClauses returningClause withClause',
  MergeWhenClause: 'matchKind commandType override condition targetList values',
  CopyStmt: 'relation query attlist is_from is_program filename options whereClause',
  ExplainStmt: 'query options',
  ReturningClause: 'options exprs',
  ReturningOption: 'option value',
  OnConflictClause: 'action infer targetList whereClause',
  InferClause: 'indexElems whereClause conname',
  IndexElem: 'name expr collation opclass opclassopts ordering nulls_ordering',
  WithClause: 'ctes recursive',
  CommonTableExpr: 'ctename aliascolnames ctematerialized ctequery search_clause cycle_clause',
  CTESearchClause: 'search_col_list search_breadth_first search_seq_column',
  CTECycleClause: 'cycle_col_list cycle_mark_column cycle_mark_value cycle_mark_default cycle_path_column',

  RangeVar: 'catalogname schemaname relname inh relpersistence alias',
  Alias: 'aliasname colnames',
  RangeSubselect: 'lateral subquery alias',
  RangeFunction: 'lateral ordinality is_rowsfrom functions alias coldeflist',
  RangeTableSample: 'relation method args repeatable',
  RangeTableFunc: 'lateral docexpr rowexpr namespaces columns alias',
  RangeTableFuncCol: 'colname typeName for_ordinality is_not_null colexpr coldefexpr',
  JsonTable: 'context_item pathspec passing columns on_error alias lateral',
  JoinExpr: 'jointype isNatural larg rarg usingClause join_using_alias quals alias',

  ResTarget: 'name indirection val',
  ColumnRef: 'fields',
  ParamRef: 'number',
  A_Const: 'ival fval boolval sval bsval isnull',
  A_Star: '',
  A_Indices: 'is_slice lidx uidx',
  A_Indirection: 'arg indirection',
  A_Expr: 'kind name lexpr rexpr rexpr_list_start rexpr_list_end',
  A_ArrayExpr: 'elements list_start list_end',
  TypeCast: 'arg typeName',
  TypeName: 'names setof typmods typemod arrayBounds',
  CollateClause: 'arg collname',
  FuncCall: `funcname args agg_order agg_filter over agg_within_group agg_star agg_distinct func_variadic funcformat`,
  WindowDef: 'name refname partitionClause orderClause frameOptions startOffset endOffset',
  SortBy: 'node sortby_dir sortby_nulls useOp',
  SubLink: 'subLinkType testexpr operName subselect',
  CaseExpr: 'arg args defresult',
  CaseWhen: 'expr result',
  CoalesceExpr: 'args',
  MinMaxExpr: 'op args',
  BoolExpr: 'boolop args',
  NullTest: 'arg nulltesttype',
  BooleanTest: 'arg booltesttype',
  RowExpr: 'args row_format',
  GroupingFunc: 'args',
  GroupingSet: 'kind content',
  SQLValueFunction: 'op typmod',
  NamedArgExpr: 'arg name argnumber',
  MultiAssignRef: 'source colno ncolumns',
  SetToDefault: '',
  CurrentOfExpr: 'cursor_name cursor_param',
  List: 'items',
  LockingClause: 'lockedRels strength waitPolicy',
  MergeSupportFunc: 'msftype',

  XmlExpr: 'op name named_args args xmloption',
  XmlSerialize: 'xmloption expr typeName indent',
  JsonObjectConstructor: 'exprs output absent_on_null unique',
  JsonArrayConstructor: 'exprs output absent_on_null',
  JsonArrayQueryConstructor: 'query output format absent_on_null',
  JsonObjectAgg: 'constructor arg absent_on_null unique',
  JsonArrayAgg: 'constructor arg absent_on_null',
  JsonAggConstructor: 'output agg_filter agg_order over',
  JsonKeyValue: 'key value',
  JsonValueExpr: 'raw_expr format',
  JsonFuncExpr: 'op column_name context_item pathspec passing output on_empty on_error wrapper quotes',
  JsonArgument: 'val name',
  JsonTableColumn: `coltype name typeName pathspec format wrapper quotes columns on_empty on_error`,
  JsonBehavior: 'btype expr',
  JsonParseExpr: 'expr output unique_keys',
  JsonScalarExpr: 'expr output',
  JsonSerializeExpr: 'expr output',
  JsonIsPredicate: 'expr format item_type unique_keys',
}

const known: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries(table).map(([kind, fields]) => [
    kind,
    new Set([...fields.split(/\s+/).filter((field) => field !== ''), 'location']),
  ]),
)
