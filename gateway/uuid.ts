/** UUIDv7 (RFC 9562): sorts by time, so that ids in logs and stores read in order. @module */

const counterLimit = 0x1000

/** The random half of an id, and the counter before it, which makes it new (section 6.2, method 1). */
let random = ''
let counter = counterLimit

export function uuid(now: number = Date.now()): string {
  if (counter === counterLimit) {
    // A v4 UUID has the variant where v7 wants it.
    random = crypto.randomUUID().slice(18)
    counter = 0
  }
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${(counter++).toString(16).padStart(3, '0')}${random}`
}
