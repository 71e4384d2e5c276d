/** Runs the stores' contract on whatever runtime starts it; exits with 1 at the first failure. @module */
import { contract } from './contract.ts'
import { backendNames, backends } from './open-stores.ts'

let passed = 0
for (const name of backendNames) {
  const backend = await backends[name]()
  for (const { name: sentence, run } of contract) {
    await run(backend.open).catch((cause) => {
      throw new Error(`${name}: ${sentence}`, { cause })
    })
    passed++
  }
  await backend.close()
}
console.log(`${passed} passed`)
