-- The numbers of the library. Nothing reads the videos' bytes: of a value that is kept
-- apart, octet_length reads the pointer alone. Columns have the names that are shown. Any
-- value may stand in a view of others: a length counts if it is a number below 100,000
-- seconds, a digest if it has the 32 bytes of SHA-256.

-- name: count_videos
-- How many, how large and how long, without levels; a foreign table need not tell of
-- lengths and levels.
SELECT count(*) AS clips,
       coalesce(sum(octet_length(video_data)), 0)::bigint AS bytes,
       avg(octet_length(video_data))::bigint AS average_bytes,
       max(octet_length(video_data)) AS largest_bytes,
       round(sum(duration_seconds))::bigint AS seconds,
       round(avg(duration_seconds), 1)::float AS average_seconds
  FROM (SELECT video_data,
               (SELECT substring(
                           duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$'
                       )::numeric
                  FROM (SELECT video.*) AS own) AS duration_seconds
          FROM videos AS video,
               (SELECT NULL::integer AS duration_seconds, NULL::boolean AS is_level)
                   AS absent
         WHERE (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
       ) AS counted;

-- name: measure_table
-- What the videos take on disk: rows, the bytes beside them (TOAST), indexes.
SELECT pg_total_relation_size(oid) AS bytes,
       pg_relation_size(oid) AS rows_bytes,
       pg_total_relation_size(nullif(reltoastrelid, 0)) AS toast_bytes,
       pg_indexes_size(oid) AS index_bytes
  FROM pg_class
 WHERE oid = 'videos'::regclass AND relkind = 'r';

-- name: count_links
-- How many show a video, and how many videos are shown.
WITH shown AS (
    SELECT 'definition' AS kind, id, video_id FROM definitions
    UNION ALL
    SELECT 'definition', definition_id, video_id FROM definition_videos
    UNION ALL
    SELECT 'question', id, video_id FROM test_questions
    UNION ALL
    SELECT 'question', question_id, video_id FROM question_videos
)
SELECT count(DISTINCT id) FILTER (WHERE kind = 'definition') AS definitions,
       count(DISTINCT id) FILTER (WHERE kind = 'question') AS questions,
       count(DISTINCT video_id) AS clips
  FROM shown
 WHERE video_id IS NOT NULL;

-- name: count_verified
-- Of how many videos the bytes were verified, and since when.
SELECT count(*) AS clips,
       count(damage) AS damaged,
       min(verified_at) AS oldest
  FROM verifications
 WHERE video_id IN (SELECT id FROM videos);

-- name: count_languages
-- For each language its words, how many of them have a clip, and how many clips.
WITH shown AS (
    SELECT id AS definition_id, video_id
      FROM definitions
     WHERE video_id IS NOT NULL
    UNION
    SELECT definition_id, video_id
      FROM definition_videos
)
SELECT learning_language AS language,
       count(DISTINCT word) AS words,
       count(DISTINCT word) FILTER (WHERE shown.video_id IS NOT NULL) AS with_clip,
       count(DISTINCT shown.video_id) AS clips
  FROM definitions
  LEFT JOIN shown ON definition_id = definitions.id
 GROUP BY learning_language
 ORDER BY words DESC, language;

-- name: count_captions
-- For each language how many clips have captions in it.
SELECT language, count(*) AS clips, sum(octet_length(vtt))::bigint AS bytes
  FROM captions
 GROUP BY language
 ORDER BY clips DESC, language;

-- name: list_most_used
-- The videos that are shown most often, and by what.
WITH shown AS (
    SELECT video_id, 1 AS definitions, 0 AS questions FROM definitions
    UNION ALL
    SELECT video_id, 1, 0 FROM definition_videos
    UNION ALL
    SELECT video_id, 0, 1 FROM test_questions
    UNION ALL
    SELECT video_id, 0, 1 FROM question_videos
)
SELECT id,
       filename,
       sum(definitions) AS definitions,
       sum(questions) AS questions
  FROM shown
  JOIN videos ON id = video_id
 GROUP BY id, filename
 ORDER BY sum(definitions) + sum(questions) DESC, id
 LIMIT 20;

-- name: list_over_limits
-- The videos larger or longer than a clip should be, the largest first.
SELECT id, filename, bytes, round(duration_seconds)::integer AS seconds
  FROM (SELECT id,
               filename,
               octet_length(video_data) AS bytes,
               (SELECT substring(
                           duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$'
                       )::numeric
                  FROM (SELECT video.*) AS own) AS duration_seconds
          FROM videos AS video,
               (SELECT NULL::integer AS duration_seconds, NULL::boolean AS is_level)
                   AS absent
         WHERE (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
       ) AS measured
 WHERE bytes > %(bytes)s OR duration_seconds > %(seconds)s
 ORDER BY bytes DESC, id;

-- name: list_duplicates
-- The videos with the same bytes, and what all but one of them take.
SELECT array_agg(id ORDER BY id) AS ids,
       array_agg(filename::text ORDER BY id) AS filenames,
       sum(octet_length(video_data)) - min(octet_length(video_data)) AS spare_bytes
  FROM videos
 WHERE octet_length(sha256) = 32
 GROUP BY sha256
HAVING count(*) > 1
 ORDER BY spare_bytes DESC, ids;
