/** The plugins that come with the gateway, by the names that the configuration knows. @module */
import type { Plugin } from '../gateway/plugin.ts'
import { type ApproveOptions, approve } from './approve.ts'
import { type AuthOptions, auth } from './auth.ts'
import { type AuthorizeOptions, authorize } from './authorize.ts'
import { type MaskOptions, mask } from './mask.ts'
import { type RecordOptions, record } from './record.ts'

export const plugins = { record, auth, authorize, approve, mask } as const

export type PluginName = keyof typeof plugins

/** Everything that any of them is handed. */
export type ShippedServices = RecordOptions & AuthOptions & AuthorizeOptions & ApproveOptions & MaskOptions

export function shipped(name: PluginName, services: ShippedServices): Plugin {
  return plugins[name](services)
}
