import { pathToFileURL } from 'node:url'
import type { Runtime } from '../main.ts'
import { httpClient } from './http-client.ts'
import { nodeFiles } from './node-files.ts'
import { serveHttp } from './node-http.ts'
import { nodeNetwork } from './node-network.ts'
import { pgQueryWasm } from './pg-query-wasm.ts'

export const nodeRuntime: Runtime = {
  network: nodeNetwork,
  files: nodeFiles,
  serveHttp,
  httpUpstream: httpClient,
  pgQueryWasm,
  importModule: (path) => import(pathToFileURL(path).href),
}
