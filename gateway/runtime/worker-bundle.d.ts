/** The policy's files, compiled into the worker by `scripts/bundle-worker.ts`. */
declare module 'sluice:bundle' {
  export const manifest: unknown
  export const data: unknown
  export const module: WebAssembly.Module
}
