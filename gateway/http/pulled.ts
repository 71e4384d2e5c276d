/**
 * An async iterable as a web stream that holds nothing ahead: it is pulled when its reader pulls, and ends when
 * its reader leaves.
 *
 * @param left called when the reader leaves: `return()` alone cannot interrupt a pull that waits
 */
export function pulled(
  source: AsyncIterable<Uint8Array>,
  left: () => void = () => {},
): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        left()
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
