import type { Log } from '../../gateway/log.ts'

/** For tests that expect warnings and do not look at them. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
