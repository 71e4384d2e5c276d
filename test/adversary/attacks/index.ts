import type { Attack } from '../attack.ts'
import { elsewhere } from './elsewhere.ts'
import { functions } from './functions.ts'
import { kinds } from './kinds.ts'
import { oracles } from './oracles.ts'
import { outputs } from './outputs.ts'
import { protocol } from './protocol.ts'
import { sizes } from './sizes.ts'
import { writes } from './writes.ts'

export const attacks: readonly Attack[] = [
  ...outputs,
  ...oracles,
  ...writes,
  ...protocol,
  ...elsewhere,
  ...kinds,
  ...functions,
  ...sizes,
]
