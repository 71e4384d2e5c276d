import type { Log } from '../../gateway/log.ts'

/** A log that remembers its errors. */
export function logs(): Log & { readonly errors: { readonly fields: object; readonly message: string }[] } {
  const errors: { fields: object; message: string }[] = []
  return {
    errors,
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => errors.push({ fields, message }),
  }
}
