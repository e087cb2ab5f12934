-- The migrations' own bookkeeping.

-- name: keep_transaction
-- A role's own limits are for its requests, not for a migration: neither for the wait
-- behind another process or a large table, nor for a transaction that waits idle. Only
-- what this server knows is set.
SELECT set_config(name, '0', true)
  FROM pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
                'idle_in_transaction_session_timeout');

-- name: try_turn
-- Whether it is our turn to migrate, until the transaction ends; nobody waits in
-- PostgreSQL for it. The number is nobody else's.
SELECT pg_try_advisory_xact_lock(7229811747);

-- name: find_migrating
-- Who has the turn.
SELECT pid, coalesce(application_name, ''), coalesce(usename, '')
  FROM pg_locks
  JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'advisory'
   AND (classid::bigint << 32 | objid::bigint) = 7229811747
   AND objsubid = 1
   AND granted
   AND pg_locks.database = (SELECT oid FROM pg_database
                             WHERE datname = current_database());

-- name: list_holders
-- The processes that this one waits for.
SELECT pid, coalesce(application_name, ''), coalesce(usename, '')
  FROM pg_stat_activity
 WHERE pid = ANY(pg_blocking_pids(%(pid)s))
 ORDER BY pid;

-- name: begin_migration
-- The process that migrates. The lock is what older versions wait for, who know no turn;
-- it ends with its transaction: a killed process leaves none behind, and a proxy that
-- pools transactions does no harm. How literals are read and names are printed must not
-- depend on the role.
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;
SELECT pg_backend_pid(), pg_advisory_xact_lock(7229811746);

-- name: limit_patience
-- Who waits for a busy table makes every later query on that table wait too.
SET LOCAL lock_timeout = '10s';

-- name: limit_lock_wait
-- The same for a migration, which is tried again: viewers wait no longer than this.
SET LOCAL lock_timeout = '2s';

-- name: relax_session
-- For what runs outside of a transaction: it may take its time, and its waiting makes
-- nobody wait; but it ends soon after we are killed.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_connection_check_interval = '1s';

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
