#!/usr/bin/env node
// The `sluice` command for whatever Node it is started with. The gateway is TypeScript that runs as it is, which
// needs Node 24; an older one (Node 20 comes with many systems) hands over to the one that npm installed with us.
// This file is JavaScript because that older Node has to read it.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const neededMajor = 24
const cli = fileURLToPath(new URL('../gateway/cli.ts', import.meta.url))

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  await import(cli)
} else {
  handOver(newerNode())
}

/** The binary of the npm package `node`. */
function newerNode() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
  } catch {
    console.error(
      `Cannot start sluice: it needs Node ${neededMajor} or newer, this is ${process.version}; run "npm ci" in its folder, or start it with a newer Node or with Deno`,
    )
    process.exit(1)
  }
}

function handOver(node) {
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches both processes, and the child takes a second signal as a wish to end at once.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`Cannot start sluice: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}
