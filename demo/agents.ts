/** Who takes part in the demo: the groups in their tokens are what policies.rego goes by. */
export const people = [{ id: 'dana', secret: 'demo', groups: ['dba'] }] as const

export const agents = [
  { id: 'backup-agent', secret: 'demo', groups: ['backup'] },
  { id: 'reporting-agent', secret: 'demo', groups: ['reporting'] },
  { id: 'ci-job', secret: 'demo', groups: ['ci'] },
  { id: 'support-agent', secret: 'demo', groups: ['support'] },
  { id: 'cleanup-agent', secret: 'demo', groups: ['cleanup'] },
] as const

export type Agent = (typeof agents)[number]['id']
