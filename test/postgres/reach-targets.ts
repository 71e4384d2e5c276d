/** Run by a test on another runtime: a line for each target of the environment. */
import { reached } from './reach-target.ts'

for (const target of JSON.parse(process.env.TARGETS ?? '[]')) console.log(await reached(target))
process.exit()
