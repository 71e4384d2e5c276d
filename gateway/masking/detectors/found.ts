/** A part of a text, from one UTF-16 unit up to another. */
export interface Found {
  readonly from: number
  readonly to: number
}

/**
 * Finds what it is for in a text, in any order, overlapping or not. Takes time in proportion to the text's length,
 * whatever it holds.
 */
export type Find = (text: string) => readonly Found[]
