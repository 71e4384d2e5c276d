import { type ApprovalDocument, approvalsGiven } from './approval-document.ts'
import { continued } from './continued.ts'

/** One of many: enough to answer it. */
export function approvalInList(approval: ApprovalDocument): string[] {
  const { id, asker, target, reasons, approvers, quorum, votes } = approval
  return [
    `${id}  ${statusUntil(approval)}`,
    ...continued(`  ${named(asker)} wants to run at ${target}:`),
    ...asked(approval),
    ...(reasons.length > 0 ? continued(`  because: ${reasons.join('; ')}`) : []),
    ...continued(`  ${quorum} of ${approvers.join(', ')} must approve`),
    ...votes.flatMap(({ subject, vote, comment }) =>
      continued(`  ${subject}: ${vote}${comment ? `, "${comment}"` : ''}`),
    ),
    '',
  ]
}

/** All of one. */
export function approvalWhole(approval: ApprovalDocument): string[] {
  const { id, asker, target, protocol, reasons, approvers, quorum, votes, askedAt } = approval
  return [
    `Approval ${id}`,
    `  status    ${statusUntil(approval)}`,
    `  asked     ${askedAt}`,
    ...continued(`  by        ${named(asker)} (${asker.issuer})`),
    ...continued(`  target    ${target} (${protocol})`),
    ...reasons.flatMap((reason) => continued(`  because   ${reason}`)),
    ...continued(`  needs     ${quorum} of ${approvers.join(', ')}; ${approvalsGiven(approval)} so far`),
    ...votes.flatMap(({ subject, issuer, vote, comment, at }) =>
      continued(`  ${vote.padEnd(8)}  ${subject} (${issuer}), ${at}${comment ? `: "${comment}"` : ''}`),
    ),
    '  asks to run:',
    ...asked(approval),
  ]
}

function asked({ text, parameters }: ApprovalDocument): string[] {
  return [text, ...parameters].flatMap((line) => continued(`    ${line}`))
}

function named({ subject, actors }: ApprovalDocument['asker']): string {
  return [subject, ...actors].join(', for ')
}

/** Only what waits, and what was approved and not used, has an end to come. */
function statusUntil({ status, deadline, usableUntil }: ApprovalDocument): string {
  if (status === 'pending') return `pending, can be answered until ${deadline}`
  if (status === 'approved') return `approved, can be used until ${usableUntil}`
  return status
}
