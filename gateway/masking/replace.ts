/** Replaces the bytes of a value in a row, as an element of an array, or as a field of a row; nothing is NULL. */
export type Replace = (bytes: Uint8Array) => Uint8Array | undefined

export const leaveOut: Replace = () => undefined
