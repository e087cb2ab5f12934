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
SELECT mime_type,
       count(*) AS clips,
       array_to_string((array_agg(id ORDER BY id))[:5], ', ') AS ids
  FROM (SELECT id, coalesce(left(mime_type::text, 100), '') AS mime_type
          FROM videos) AS typed
 WHERE mime_type NOT IN ('video/mp4', 'video/quicktime', 'video/webm')
 GROUP BY mime_type
 ORDER BY mime_type;

-- name: find_odd_ids
-- Videos that no URL leads to.
SELECT id, coalesce(left(filename::text, 255), '') AS filename
  FROM videos
 WHERE NOT id BETWEEN 1 AND 2147483647
    OR id IS NULL
 ORDER BY id;

-- name: find_double_ids
-- Rows of a view that share an id.
SELECT id, count(*) AS copies
  FROM videos
 GROUP BY id
HAVING count(*) > 1
 ORDER BY id;

-- name: find_byteless
-- Videos with nothing to play.
SELECT id, coalesce(left(filename::text, 255), '') AS filename
  FROM videos
 WHERE octet_length(video_data) = 0
    OR video_data IS NULL
 ORDER BY id;

-- name: find_odd_dates
-- Dates that HTTP cannot write, infinity among them, or that are more than a day ahead.
SELECT id,
       coalesce(left(filename::text, 255), '') AS filename,
       created_at::text AS created
  FROM videos
 WHERE NOT extract(epoch FROM created_at)
           BETWEEN -62135596800 AND extract(epoch FROM now()) + 86400
 ORDER BY id;

-- name: find_undated
-- Videos without a date.
SELECT count(*) AS clips, array_to_string((array_agg(id ORDER BY id))[:5], ', ') AS ids
  FROM videos
 WHERE created_at IS NULL
HAVING count(*) > 0;

-- name: find_odd_lengths
-- Lengths that are no number of seconds, or that of no clip. A foreign table need not
-- have any: then the name is found one level up, in absent.
SELECT *
  FROM (SELECT id,
               coalesce(left(filename::text, 255), '') AS filename,
               (SELECT left(duration_seconds::text, 40) FROM (SELECT video.*) AS own)
               AS length
          FROM videos AS video,
               (SELECT NULL::integer AS duration_seconds) AS absent
       ) AS measured
 WHERE length !~ '^[0-9]{1,5}(?:[.][0-9]+)?$'
 ORDER BY id;

-- name: find_odd_digests
-- Digests that are none of SHA-256; a foreign table need not have any, as above.
SELECT *
  FROM (SELECT id,
               coalesce(left(filename::text, 255), '') AS filename,
               (SELECT octet_length(sha256) FROM (SELECT video.*) AS own) AS digest_bytes
          FROM videos AS video,
               (SELECT NULL::bytea AS sha256) AS absent
       ) AS digested
 WHERE digest_bytes <> 32
 ORDER BY id;

-- name: find_odd_cards
-- Words whose state FSRS can't go on from, by the rule of find_review.
SELECT saved_word_id,
       concat_ws(', ',
           'state ' || state,
           'step ' || coalesce(step::text, 'null'),
           'stability ' || stability,
           'difficulty ' || difficulty,
           'last_review ' || last_review) AS held
  FROM practice_cards
 WHERE (state IN (1, 2, 3)
        AND (state = 2 OR step >= 0)
        AND stability > 0
        AND stability <= 1000000
        AND difficulty BETWEEN 1 AND 10
        AND last_review BETWEEN '1900-01-01' AND now() + interval '1 day') IS NOT TRUE
 ORDER BY saved_word_id;

-- name: find_nameless
-- Videos without a name.
SELECT id
  FROM videos
 WHERE coalesce(filename::text, '') = ''
 ORDER BY id;

-- name: find_long_names
-- Names that are cut where they are shown.
SELECT id, left(filename::text, 40) AS beginning, length(filename::text) AS letters
  FROM videos
 WHERE length(filename::text) > 255
 ORDER BY id;

-- name: find_damaged
-- What verify has found.
SELECT id, filename, damage
  FROM verifications
  JOIN videos ON id = video_id
 WHERE damage IS NOT NULL
 ORDER BY id;

-- name: list_filenames
-- Every name, as far as it is shown.
SELECT id, left(filename::text, 255) AS filename
  FROM videos
 WHERE filename::text <> ''
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
