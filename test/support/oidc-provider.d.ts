/** The few words of oidc-provider that we use; the package ships no types. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  export type AdapterPayload = Record<string, unknown>

  export interface ExtraTokenContext {
    readonly oidc: {
      readonly body: Readonly<Record<string, string | undefined>>
      readonly client: { readonly clientId: string }
    }
  }

  export default class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    callback(): RequestListener
  }
}
