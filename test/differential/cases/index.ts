import type { Case } from '../script.ts'
import { copyCases } from './copy.ts'
import { definitionCases } from './definitions.ts'
import { extendedCases } from './extended.ts'
import { pipelineCases } from './pipelines.ts'
import { sessionCases } from './sessions.ts'
import { simpleCases } from './simple.ts'
import { transactionCases } from './transactions.ts'
import { typeCases } from './types.ts'

export const cases: readonly Case[] = [
  ...simpleCases,
  ...transactionCases,
  ...definitionCases,
  ...extendedCases,
  ...pipelineCases,
  ...copyCases,
  ...typeCases,
  ...sessionCases,
]
