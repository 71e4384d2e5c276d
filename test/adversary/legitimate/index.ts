import type { Legitimate } from '../legitimate.ts'
import { queries } from './queries.ts'

export const everyday: readonly Legitimate[] = [...queries]
