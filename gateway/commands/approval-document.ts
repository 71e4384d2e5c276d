import { z } from 'zod'

/** What the gateway's API says of an approval (`ApprovalRequest`), as far as commands show it. */
export const approvalDocument = z.object({
  id: z.string(),
  status: z.string(),
  asker: z.object({ subject: z.string(), issuer: z.string(), actors: z.array(z.string()) }),
  target: z.string(),
  protocol: z.string(),
  text: z.string(),
  parameters: z.array(z.string()),
  reasons: z.array(z.string()),
  approvers: z.array(z.string()),
  quorum: z.number(),
  votes: z.array(
    z.object({
      subject: z.string(),
      issuer: z.string(),
      vote: z.string(),
      comment: z.string().optional(),
      at: z.string(),
    }),
  ),
  askedAt: z.string(),
  deadline: z.string(),
  usableUntil: z.string().optional(),
})

export type ApprovalDocument = z.output<typeof approvalDocument>

/** How many people have said yes. */
export function approvalsGiven({ votes }: Pick<ApprovalDocument, 'votes'>): number {
  return votes.filter(({ vote }) => vote === 'approve').length
}
