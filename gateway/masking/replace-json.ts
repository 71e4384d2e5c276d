import type { Mask } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { bytesOf, type CodecOf, decoded, encoded, type Format, textOf } from '../sql/values/codec.ts'
import { concealJson } from './conceal-json.ts'
import { JsonMasker } from './json-masker.ts'
import { pathPatterns } from './path-pattern.ts'
import type { Replace } from './replace.ts'

/** Masks what these masks' paths name in a json or jsonb value. */
export function replaceJson(
  masks: readonly Mask[],
  codec: CodecOf<'json'>,
  format: Format,
  digest: Digest,
): Replace {
  const paths = pathPatterns(masks, ({ json = '' }) => json)
  const conceal = concealJson(digest)
  return (bytes) => {
    const text = decoded(codec, bytes, format)
    if (text === undefined) return undefined
    const masker = new JsonMasker(paths, conceal)
    const shown = textOf(masker.push(bytesOf(text)))
    masker.end()
    return encoded(codec, shown, format)
  }
}
