/** What the gateway needs of a logger: pino's shape, so that pino is one and a console can be another. @module */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
