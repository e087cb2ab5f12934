-- What may be wrong with the library, or with the database around it. A row is a
-- finding, and its columns are what the sentence about it needs.

-- name: find_dangling_links
-- Videos that are gone though something shows them: a table that was not made by us may
-- lack the foreign key.
SELECT video_id, count(*) AS uses
  FROM (SELECT video_id FROM definitions
        UNION ALL
        SELECT video_id FROM definition_videos
        UNION ALL
        SELECT video_id FROM test_questions
        UNION ALL
        SELECT video_id FROM question_videos
       ) AS shown
 WHERE video_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM videos WHERE id = video_id)
 GROUP BY video_id
 ORDER BY video_id;

-- name: find_missing_keys
-- Tables whose links nothing keeps from dangling; a view cannot be referenced.
SELECT conrelid::regclass::text AS name
  FROM (VALUES (to_regclass('definitions')), (to_regclass('test_questions')),
               (to_regclass('definition_videos')), (to_regclass('question_videos'))
       ) AS linking (conrelid)
  JOIN pg_attribute ON attrelid = conrelid AND attname = 'video_id'
  JOIN pg_class ON pg_class.oid = to_regclass('videos') AND relkind = 'r'
 WHERE NOT EXISTS (SELECT
                     FROM pg_constraint
                    WHERE pg_constraint.conrelid = linking.conrelid
                      AND contype = 'f'
                      AND conkey = ARRAY[attnum]);

-- name: find_storage
-- Whether new videos may be compressed.
SELECT CASE attstorage WHEN 'm' THEN 'MAIN' WHEN 'p' THEN 'PLAIN' ELSE 'EXTENDED' END
       AS storage
  FROM pg_attribute
  JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
 WHERE attrelid = to_regclass('videos')
   AND attname = 'video_data'
   AND attstorage <> 'e';

-- name: find_compressed
-- The videos that are compressed; the pointer tells.
SELECT count(*) AS clips, array_to_string((array_agg(id ORDER BY id))[:5], ', ') AS ids
  FROM videos
 WHERE pg_column_compression(video_data) IS NOT NULL
HAVING count(*) > 0;

-- name: find_missing_triggers
-- Our triggers that are gone from our table, which has digests.
SELECT name
  FROM (VALUES ('videos_fill'), ('videos_refuse_change'), ('videos_touch'))
       AS wanted (name)
  JOIN pg_attribute ON attrelid = to_regclass('videos') AND attname = 'sha256'
  JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
 WHERE name NOT IN (SELECT tgname FROM pg_trigger WHERE tgrelid = attrelid);

-- name: find_disabled_triggers
-- Triggers that someone has put to sleep.
SELECT tgname AS name
  FROM pg_trigger
 WHERE tgrelid = to_regclass('videos') AND tgenabled IN ('D', 'R') AND NOT tgisinternal
 ORDER BY tgname;

-- name: find_missing_indexes
-- Columns that we look rows up by, and no valid index begins with.
SELECT relation, name
  FROM (VALUES ('videos', 'id'), ('videos', 'filename'),
               ('definitions', 'word'), ('definitions', 'video_id'),
               ('test_questions', 'definition_id'), ('test_questions', 'video_id'),
               ('saved_words', 'user_id'), ('definition_videos', 'video_id'),
               ('question_videos', 'video_id')
       ) AS wanted (relation, name)
  JOIN pg_class ON pg_class.oid = to_regclass(relation) AND relkind = 'r'
  JOIN pg_attribute ON attrelid = pg_class.oid AND attname = name
 WHERE NOT EXISTS (SELECT
                     FROM pg_index
                    WHERE indrelid = attrelid AND indisvalid AND indkey[0] = attnum)
 ORDER BY relation, name;

-- name: find_wrong_sizes
-- Videos whose noted size is not that of their bytes.
SELECT id, filename, file_size_bytes AS noted, octet_length(video_data) AS real
  FROM videos
 WHERE file_size_bytes IS DISTINCT FROM octet_length(video_data)
 ORDER BY id;

-- name: find_unsavable
-- Videos that pg_dump cannot write: as text a value takes twice its bytes, and a row of
-- COPY has to fit into 1 GiB.
SELECT id, filename, octet_length(video_data) AS size
  FROM videos
 WHERE octet_length(video_data) > 536000000
 ORDER BY id;

-- name: find_wrong_types
-- Types that no player takes for a video.
SELECT coalesce(mime_type, '') AS mime_type, count(*) AS clips
  FROM videos
 WHERE mime_type NOT IN ('video/mp4', 'video/quicktime', 'video/webm')
    OR mime_type IS NULL
 GROUP BY mime_type
 ORDER BY mime_type;

-- name: find_damaged
-- What verify has found.
SELECT id, filename, damage
  FROM verifications
  JOIN videos ON id = video_id
 WHERE damage IS NOT NULL
 ORDER BY id;

-- name: list_filenames
-- Every name.
SELECT id, filename
  FROM videos
 ORDER BY id;

-- name: find_bloat
-- Space that deleted videos have left: rows apart take 4 % more than their bytes.
SELECT disk_bytes, live_bytes
  FROM (SELECT pg_total_relation_size(oid) AS disk_bytes
          FROM pg_class
         WHERE oid = to_regclass('videos') AND relkind = 'r') AS measured,
       (SELECT coalesce(sum(octet_length(video_data)), 0)::bigint AS live_bytes
          FROM videos) AS counted
 WHERE disk_bytes > 1.3 * live_bytes + 64000000;

-- name: find_missing_statistics
-- Tables of some size that PostgreSQL has never looked at: its plans are guesses.
SELECT relname AS name
  FROM pg_class
 WHERE oid IN (to_regclass('videos'), to_regclass('definitions'),
               to_regclass('test_questions'), to_regclass('saved_words'))
   AND relkind = 'r'
   AND pg_relation_size(oid) > 1000000
   AND NOT EXISTS (SELECT
                     FROM pg_stats
                     JOIN pg_namespace ON nspname = schemaname
                    WHERE pg_namespace.oid = relnamespace
                      AND tablename = relname)
 ORDER BY relname;

-- name: find_settings
-- Settings of the server with which videos get lost or slow.
SELECT name, concat(setting, ' ' || unit) AS setting
  FROM pg_settings
 WHERE (name, setting) IN (('fsync', 'off'), ('full_page_writes', 'off'),
                           ('zero_damaged_pages', 'on'),
                           ('ignore_checksum_failure', 'on'))
    OR name = 'shared_buffers' AND setting::bigint < 4096
 ORDER BY name;

-- name: find_checksums
-- Whether the server can tell that a disk has changed its data.
SELECT current_setting('data_checksums') AS setting
 WHERE current_setting('data_checksums') = 'off';

-- name: find_backend
-- The process that answers; a pooler tells another one when it connects.
SELECT pg_backend_pid();

-- name: find_lag
-- A standby that is behind: it lacks the newest videos, and still has deleted ones.
SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::integer AS seconds
 WHERE pg_is_in_recovery()
   AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
   AND now() - pg_last_xact_replay_timestamp() > interval '10 seconds';
