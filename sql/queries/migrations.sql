-- The migrations' own bookkeeping.

-- name: wait_for_turn
-- The lock ends with its transaction: a killed process leaves none behind, and a proxy
-- that pools transactions does no harm. A role's own limits are for its requests, not
-- for the wait behind another process or a large table. How literals are read and names
-- are printed must not depend on the role either. The number is nobody else's.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;
SELECT pg_advisory_xact_lock(7229811746);

-- name: limit_patience
-- A file that waits for a busy table makes every later query on that table wait too.
SET LOCAL lock_timeout = '10s';

-- name: find_records
-- The table of records, NULL before the first migration.
SELECT to_regclass('bytereel_migrations');

-- name: create_records
-- Others call such a table schema_migrations, so it has a name of our own.
CREATE TABLE IF NOT EXISTS bytereel_migrations (
    name TEXT PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- name: drop_records
-- The last trace of us.
DROP TABLE bytereel_migrations;

-- name: list_records
-- What is applied.
SELECT name
  FROM bytereel_migrations;

-- name: save_record
-- A migration that is applied now.
INSERT INTO bytereel_migrations
VALUES (%(name)s);

-- name: delete_record
-- A migration that was taken back.
DELETE FROM bytereel_migrations
 WHERE name = %(name)s;
