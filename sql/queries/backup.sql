-- The whole database into a file, and back.

-- name: find_too_large
-- pg_dump takes a row as text, a byte of video as two letters, and PostgreSQL makes no
-- text of 1 GiB or more. Of the bytes nothing is read.
SELECT id, coalesce(filename, '') AS filename, octet_length(video_data) AS size
  FROM videos
 WHERE octet_length(video_data) > %(most)s
 ORDER BY id
 LIMIT 1;

-- name: list_filled
-- Tables that have or had rows, but for our bookkeeping.
SELECT relation.oid::regclass::text
  FROM pg_class AS relation
  JOIN pg_namespace AS place ON place.oid = relation.relnamespace
 WHERE relation.relkind = 'r'
   AND place.nspname NOT LIKE 'pg\_%%'
   AND place.nspname <> 'information_schema'
   AND relation.relname NOT IN ('bytereel_migrations', 'bytereel_found')
   AND pg_relation_size(relation.oid) > 0
 ORDER BY 1;
