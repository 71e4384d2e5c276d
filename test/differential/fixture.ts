/** What the cases find in the database. */
export const fixture = `
CREATE ROLE plain;
CREATE TABLE numbers (n int PRIMARY KEY, word text);
INSERT INTO numbers SELECT n, 'word ' || n FROM generate_series(1, 10) n;
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE checked (id int PRIMARY KEY, amount numeric(6,2) CONSTRAINT positive CHECK (amount > 0), made date DEFAULT '2026-01-01');
CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (200);
CREATE SEQUENCE counter;
CREATE VIEW evens AS SELECT n, word FROM numbers WHERE n % 2 = 0;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN grade AS int CHECK (VALUE BETWEEN 1 AND 6);
CREATE FUNCTION warn() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'careful'; RETURN 1; END$$;
CREATE FUNCTION shout(level text) RETURNS int LANGUAGE plpgsql AS $$BEGIN
  IF level = 'error' THEN
    RAISE EXCEPTION 'loud' USING ERRCODE = 'UX123', DETAIL = 'the detail', HINT = 'the hint', COLUMN = 'c', TABLE = 't', SCHEMA = 's', DATATYPE = 'd', CONSTRAINT = 'k';
  END IF;
  RAISE DEBUG 'd'; RAISE LOG 'l'; RAISE INFO 'i'; RAISE NOTICE 'n' USING HINT = 'h'; RAISE WARNING 'w' USING ERRCODE = '01001';
  RETURN 1; END$$;
CREATE FUNCTION both_ways(a int, INOUT b int, OUT c text) LANGUAGE sql AS $$SELECT a + b, 'c'$$;
CREATE FUNCTION rows_of(many int) RETURNS SETOF numbers LANGUAGE sql AS $$SELECT * FROM numbers ORDER BY n LIMIT many$$;
CREATE FUNCTION two_cursors(refcursor, refcursor) RETURNS SETOF refcursor LANGUAGE plpgsql AS $$BEGIN
  OPEN $1 FOR SELECT n FROM numbers ORDER BY n; RETURN NEXT $1; OPEN $2 FOR SELECT word FROM numbers ORDER BY n; RETURN NEXT $2; END$$;
CREATE PROCEDURE twice(INOUT x int) LANGUAGE plpgsql AS $$BEGIN x := x * 2; END$$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN INSERT INTO parents VALUES (900); COMMIT; DELETE FROM parents WHERE id = 900; COMMIT; END$$;
CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'row %', NEW.k; RETURN NEW; END$$;
CREATE TRIGGER noisy BEFORE INSERT ON parted_high FOR EACH ROW EXECUTE FUNCTION noisy();
CREATE TABLE documents (id int PRIMARY KEY, body jsonb, tags text[], raw bytea);
INSERT INTO documents VALUES (1, '{"a": [1, 2, null], "b": "x"}', ARRAY['one', NULL, 'th"ree'], '\\x00ff10');
`
