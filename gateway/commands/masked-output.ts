import type { MaskedOutput } from '../operation.ts'

/** A hidden output and why, for people: `output 3 "email" (partial), public.customers.email`. */
export function maskedOutput({ statement, output, name, columns, masked, by }: MaskedOutput): string {
  const place = output === undefined ? 'an output' : `output ${output}`
  const isComputed = masked === 'computed'
  return [
    statement === undefined ? '' : `statement ${statement}, `,
    place,
    name === undefined ? '' : ` "${name}"`,
    isComputed ? ' (all of it), computed from ' : ` (${masked}), `,
    columns.join(', '),
    by ? `, which has the values of ${by.join(', ')}` : '',
  ].join('')
}
