import { attacksOn } from './attacks.ts'

attacksOn(18)
