import { pathToFileURL } from 'node:url'
import type { Runtime } from '../main.ts'
import { serveHttp } from './deno-http.ts'
import { httpClient } from './http-client.ts'
import { nodeFiles } from './node-files.ts'
import { nodeNetwork } from './node-network.ts'
import { pgQueryWasm } from './pg-query-wasm.ts'

/** HTTP is Deno's own; for sockets and files it runs Node's modules. */
export const denoRuntime: Runtime = {
  network: nodeNetwork,
  files: nodeFiles,
  serveHttp,
  httpUpstream: httpClient,
  pgQueryWasm,
  importModule: (path) => import(pathToFileURL(path).href),
}
