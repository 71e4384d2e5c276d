/** What the first packet of a connection may ask for instead of a session (PostgreSQL manual, 54.7). @module */

export const cancelRequestCode = 80877102
export const sslRequestCode = 80877103
export const gssEncRequestCode = 80877104
