/** UUIDv7 (RFC 9562): sorts by time, so that ids in logs and stores read in order. @module */

export function uuid(now: number = Date.now()): string {
  const time = now.toString(16).padStart(12, '0')
  // A v4 UUID has the variant where v7 wants it; its first 48 bits give way to the time.
  const random = crypto.randomUUID()
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`
}
