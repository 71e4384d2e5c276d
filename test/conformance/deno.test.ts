import { conformance } from './conformance.ts'

conformance('deno')
