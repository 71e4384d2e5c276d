/** The package's loader, which its own declarations leave out. */
declare module 'libpg-query/wasm/libpg-query.js' {
  export default function pgQuery(options: {
    instantiateWasm(
      imports: WebAssembly.Imports,
      receive: (instance: WebAssembly.Instance) => void,
    ): WebAssembly.Exports
    // biome-ignore lint/suspicious/noExplicitAny: the caller says which of the module's exports it uses
  }): Promise<any>
}
