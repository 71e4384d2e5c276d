/** Remembers what was made of an object for as long as the object is there: for what is asked again and again. */
export function byIdentity<Key extends WeakKey, Value extends {}>(
  make: (key: Key) => Value,
): (key: Key) => Value {
  const made = new WeakMap<Key, Value>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) {
      value = make(key)
      made.set(key, value)
    }
    return value
  }
}
