/** The tables of a SQLite store. @module */

/**
 * Events of a stream are stored in blocks of one or more, a line each. The number of a block's first event sits in
 * the low half of its key, its stream's id in the high half: one b-tree, no index beside it, and a stream's blocks
 * lie next to each other.
 */
export const schema = `
  CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE INDEX IF NOT EXISTS streams_in_folder ON streams (folder, id);
  CREATE TABLE IF NOT EXISTS events (
    key INTEGER PRIMARY KEY, -- stream id << 32 | number of the first event
    count INTEGER NOT NULL,
    body TEXT NOT NULL -- each event, and an end of line
  ) STRICT;
  CREATE TABLE IF NOT EXISTS logs (
    name TEXT PRIMARY KEY, moved INTEGER NOT NULL -- bytes of a log file that are in this database
  ) STRICT;
  CREATE TABLE IF NOT EXISTS pinged (id INTEGER PRIMARY KEY CHECK (id = 0), at INTEGER NOT NULL) STRICT;
`

export const keysOfStream = 'key >= streams.id << 32 AND key < (streams.id + 1) << 32'

/** A stream's id and length by its name. */
export const findStream = `
  SELECT id, (
    SELECT (key & 0xffffffff) + count FROM events WHERE ${keysOfStream} ORDER BY key DESC LIMIT 1
  ) AS length FROM streams WHERE name = ?`
