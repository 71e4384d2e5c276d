/** Where a request lies in the store: its subject's stream, and the number of the event that asked. */
export interface ApprovalId {
  readonly subject: string
  readonly offset: number
}

/** @returns `undefined` when it is no id of an approval */
export function readApprovalId(id: string): ApprovalId | undefined {
  const [, subject, offset] = /^([0-9a-f]{32})-(\d{1,9})$/.exec(id) ?? []
  return subject === undefined ? undefined : { subject, offset: Number(offset) }
}
