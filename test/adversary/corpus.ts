import type { RandomStatement } from './random-statement.ts'

/** Statements that came through once, or nearly did. */
export const corpus: readonly RandomStatement[] = [
  ...[
    "SELECT email < ANY (SELECT 'p' FROM generate_series(1, 3) g WHERE customers.id = 1 AND 1 / (2 - g) > -5) FROM customers WHERE id = 1",
    'SELECT phone > ALL (SELECT chr(50 - 200 * (g / 2)) FROM generate_series(1, 3) g WHERE customers.id = 1) FROM customers WHERE id = 1',
    'SET LOCAL enable_seqscan = off; SELECT max(email) FROM customers WHERE 1 / (credit - 300) > -1000 AND credit >= 300',
    'SET LOCAL enable_seqscan = off; SELECT (SELECT min(c.email)) FROM customers c WHERE 1 / (credit - 300) > -1000 AND credit >= 300',
    'SELECT id FROM tickets_open ORDER BY id',
    "SELECT a FROM pg_attribute a WHERE attrelid = 'hr.employees'::regclass",
    'SELECT bin, left(card_number, 12) FROM payments',
    "SELECT (email, 1 / (id - id)) < ('p', 1) FROM customers WHERE id = 1",
    "SELECT email IN ('a', (1 / (id - id))::text) FROM customers WHERE id = 1",
    'SELECT coalesce(salary, 1 / (id - id)) FROM hr.employees WHERE id = 1',
    'SELECT lead(id, 1, length(email)) OVER (ORDER BY id) FROM customers',
    'SELECT email(c), c.email_in FROM customers c',
    'SELECT v FROM (SELECT c AS v FROM customers c UNION ALL SELECT c FROM customers c) s',
    'SELECT (j).email FROM (SELECT c AS j FROM customers c JOIN orders o USING (id)) s',
    'SELECT count(c) FROM customers c WHERE c IS NOT NULL',
  ].flatMap((text): RandomStatement[] => [
    { form: 'simple', text },
    ...(text.startsWith('SET') ? [] : [{ form: 'binary', text } as const, { form: 'copy', text } as const]),
  ]),
]
