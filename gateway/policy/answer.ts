/**
 * Turns a policy's answer into a decision. `decision.schema.json` describes the same document.
 *
 * @module
 */
import { z } from 'zod'
import { type Decision, type Mask, type ReviewNeeded, strictest, type Terms } from '../decision.ts'
import { bothDetectors, detectors } from '../detector.ts'
import { PolicyError } from './policy-error.ts'

/** The reason for a denial when no rule says anything. */
export const noRuleAllows = 'no rule allows this'

/**
 * Any deny wins; else any review holds the operation; else `allow` lets it run; else it is denied.
 * @throws PolicyError when the answer is not exactly what the schema describes.
 */
export function decision(answer: unknown, revision: string): Decision {
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `"${path.join('.')}" ${message}`)
    throw new PolicyError(`Cannot understand the policy's answer: ${issues.join('; ')}`)
  }
  const { allow, deny, review, mask, detect, limit, session, record } = parsed.data
  // Sets come out of the module in the order of their hashes.
  if (deny.length > 0) return { effect: 'deny', reasons: deny.sort(), revision }
  const terms: Terms = {
    masks: mask.map(asMask),
    ...(detect.length > 0 && { detectors: bothDetectors(detect, undefined) }),
    ...(hasAny(limit) && { limit }),
    ...(hasAny(session) && { session }),
    ...(hasAny(record) && { record }),
  }
  const reviews = review
    .sort((a, b) => (a.reason < b.reason ? -1 : 1))
    .map(
      ({ reason, ...review }): ReviewNeeded => ({
        effect: 'review',
        reasons: [reason],
        masks: [],
        review,
        revision,
      }),
    )
  const [first, ...others] = reviews
  if (first) return unanimous(first, others, terms)
  if (allow) return { effect: 'allow', reasons: [], ...terms, revision }
  return { effect: 'deny', reasons: [noRuleAllows], revision }
}

/** One review that satisfies all of them. */
function unanimous(first: ReviewNeeded, others: readonly ReviewNeeded[], terms: Terms): Decision {
  const all = others.reduce<Decision>(strictest, first)
  if (all.effect === 'review' && all.review.approvers.length > 0) return { ...all, ...terms }
  // Waiting for an answer that nobody may give helps no one.
  const reasons = [...all.reasons, 'no group may answer all of these reviews']
  return { effect: 'deny', reasons, revision: all.revision }
}

/** Rules that add keys one by one make an empty object where none of them applies. */
function hasAny(rules: object | undefined): boolean {
  return rules !== undefined && Object.keys(rules).length > 0
}

function asMask(mask: z.infer<typeof maskSchema>): Mask {
  if ('column' in mask) {
    const { column, ...how } = mask
    return { kind: 'column', field: column, ...how }
  }
  const { path, ...how } = mask
  return { kind: 'path', field: path, ...how }
}

const maxQuorum = 100
const maxTimeout = 7 * 24 * 60 * 60
const maxKeep = 1000
const maxConstant = 1000
const maxDistance = 1e15
const minDistance = 1e-9

const jsonPath = z.string().regex(/^(\*\*\.)?(\*|[^.*]+)(\.(\*|[^.*]+))*$/)
const columnPlace = {
  column: z.string().regex(/^[^.*]+\.[^.*]+\.[^.*]+$/),
  json: jsonPath.exactOptional(),
  uses: z.array(z.enum(['equality', 'join', 'view', 'write'])).exactOptional(),
}
const keep = z.int().min(0).max(maxKeep).exactOptional()
const distance = z.number().min(minDistance).max(maxDistance)
const constant = z.union([z.string().max(maxConstant), z.number(), z.boolean()])

const maskSchema = z.union([
  maskWith({ with: z.enum(['redact', 'null', 'email', 'hash']) }),
  maskWith({ with: z.literal('partial'), keep, keep_start: keep }),
  maskWith({ with: z.literal('constant'), value: constant }),
  maskWith({ with: z.literal('noise'), amount: distance }),
  maskWith({ with: z.literal('noise'), ratio: z.number().min(minDistance).max(1) }),
  maskWith({ with: z.literal('truncate'), to: z.enum(['year', 'month', 'day', 'hour']) }),
  maskWith({ with: z.literal('truncate'), step: distance }),
])

/** One kind of mask, with its own options and no others. */
function maskWith<Shape extends z.ZodRawShape>(concealment: Shape) {
  return z.union([
    z.strictObject({ ...columnPlace, ...concealment }),
    z.strictObject({ path: jsonPath, ...concealment }),
  ])
}

const reviewSchema = z.strictObject({
  reason: z.string().min(1),
  approvers: z.array(z.string().min(1)).min(1),
  quorum: z.int().min(1).max(maxQuorum),
  timeout: z.int().min(1).max(maxTimeout),
})
/** The longest time that PostgreSQL can be told, in milliseconds. */
const maxMilliseconds = 2 ** 31 - 1

/** No role of PostgreSQL has a longer name, and `none` means no role. */
const maxRoleName = 63
const roleName = z
  .string()
  .max(maxRoleName)
  .regex(/^(?!none$)[^\0]+$/)
const limitSchema = z.strictObject({
  rows: z.int().min(0).optional(),
  milliseconds: z.int().min(1).max(maxMilliseconds).optional(),
})
const sessionSchema = z.strictObject({
  role: roleName.optional(),
  read_only: z.boolean().optional(),
  statement_timeout: z.int().min(1).max(maxMilliseconds).optional(),
  row_limit: z.int().min(0).optional(),
})
const recordSchema = z.strictObject({ parameters: z.enum(['none', 'digest', 'all']).optional() })
const answerSchema = z.strictObject({
  version: z.literal(1),
  allow: z.boolean(),
  deny: z.array(z.string().min(1)).default([]),
  review: z.array(reviewSchema).default([]),
  mask: z.array(maskSchema).default([]),
  detect: z.array(z.enum(detectors)).default([]),
  limit: limitSchema.optional(),
  session: sessionSchema.optional(),
  record: recordSchema.optional(),
})
