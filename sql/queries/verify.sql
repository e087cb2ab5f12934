-- Reading every byte of every video, and keeping what was found.

-- name: find_verifications
-- Whether we may keep what we find: there is the table, ours to write, on a primary.
SELECT coalesce(has_table_privilege(to_regclass('verifications'),
                                    'INSERT, UPDATE, DELETE'), false)
       AND NOT pg_is_in_recovery();

-- name: list_digests
-- Every video with its size and the digest of its import; a foreign table need not have
-- one: then the name is found one level up, in absent. Nor need it have names or bytes.
SELECT id AS video_id,
       coalesce(filename, '') AS filename,
       coalesce(octet_length(video_data), 0) AS size,
       (SELECT sha256 FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::bytea AS sha256) AS absent
 WHERE id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL
 ORDER BY id;

-- name: count_blocks
-- How many blocks the rows lie in; none of a view.
SELECT pg_relation_size(oid) / current_setting('block_size')::integer
  FROM pg_class
 WHERE oid = 'videos'::regclass AND relkind = 'r';

-- name: list_digests_in_block
-- The same of the rows in one block, for a table of which some blocks are damaged.
SELECT id AS video_id,
       coalesce(filename, '') AS filename,
       coalesce(octet_length(video_data), 0) AS size,
       sha256
  FROM videos
 WHERE ctid >= ('(' || %(block)s::integer || ',0)')::tid
   AND ctid < ('(' || %(block)s::integer + 1 || ',0)')::tid
   AND (id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL)
 ORDER BY id;

-- name: prepare_reading
-- For one transaction: a slow disk may take its time, and what we keep need not be
-- written before the next video is read.
SET LOCAL statement_timeout = 0;
SET LOCAL synchronous_commit = off;

-- name: copy_slices
-- All bytes of a video, in order and in slices, each read for itself and so in bounded
-- memory; a compressed value in one, as each slice would unpack all that is before it.
COPY (
    SELECT substring(video_data FROM place FOR step)
      FROM videos,
           LATERAL (SELECT CASE
                           WHEN pg_column_compression(video_data) IS NULL
                           THEN %(step)s
                           ELSE octet_length(video_data)
                           END AS step) AS cut,
           LATERAL generate_series(1, octet_length(video_data), greatest(step, 1))
               AS place
     WHERE id = %(id)s
) TO STDOUT (FORMAT binary);

-- name: clear_verifications
-- Starts anew.
DELETE FROM verifications;

-- name: list_verifications
-- What is known already.
SELECT video_id, damage
  FROM verifications;

-- name: save_verification
-- What was found now.
INSERT INTO verifications (video_id, damage)
VALUES (%(video_id)s, %(damage)s)
    ON CONFLICT (video_id)
    DO UPDATE SET verified_at = now(), damage = excluded.damage;
