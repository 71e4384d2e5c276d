/** The other processes that serve behind the same listener, as one of them sees them. @module */

/** What one process counts: prom-client's own JSON, which processes can hand to one another. */
export type Counted = readonly object[]

export interface Siblings {
  /** What all of them have counted, in the text format that Prometheus reads. */
  metrics(): Promise<string>
  /** Rejects while one of them does not serve. */
  ready(): Promise<void>
  /** Says how to find out what this one counts. */
  counting(counted: () => Promise<Counted>): void
}
