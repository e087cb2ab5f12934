-- What the admin reads and deletes. Nothing here reads the videos' bytes. Any value may
-- stand in a view of others: dates are told from the year 1 to 9999, lengths if they are
-- numbers below 100,000 seconds, sizes as they are.

-- name: count_library
-- What there is at a glance: videos that are clips of their own, their bytes, those of
-- levels, how many are shown by anything, how many lack a picture, what the table takes on
-- disk, views today, and PostgreSQL's version. A foreign table need not know of levels:
-- then the name is found one level up, in absent.
SELECT count(*) FILTER (WHERE NOT is_made) AS videos,
       coalesce(sum(octet_length(video_data)) FILTER (WHERE NOT is_made), 0)::bigint
           AS bytes,
       count(*) FILTER (WHERE is_made) AS levels,
       coalesce(sum(octet_length(video_data)) FILTER (WHERE is_made), 0)::bigint
           AS level_bytes,
       (SELECT pg_total_relation_size(oid)
          FROM pg_class
         WHERE oid = 'videos'::regclass AND relkind = 'r') AS table_bytes,
       count(*) FILTER (
           WHERE id IN (SELECT video_id FROM definitions
                        UNION ALL
                        SELECT video_id FROM definition_videos
                        UNION ALL
                        SELECT video_id FROM test_questions
                        UNION ALL
                        SELECT video_id FROM question_videos)) AS linked,
       count(*) FILTER (
           WHERE NOT is_made
             AND NOT EXISTS (SELECT FROM thumbnails WHERE video_id = videos.id)
       ) AS without_thumbnail,
       (SELECT json_build_object('started', coalesce(sum(started), 0),
                                 'quarter', coalesce(sum(quarter), 0),
                                 'half', coalesce(sum(half), 0),
                                 'completed', coalesce(sum(completed), 0))
          FROM video_views
         WHERE day = (now() AT TIME ZONE 'UTC')::date) AS views_today,
       split_part(current_setting('server_version'), ' ', 1) AS version
  FROM (SELECT id,
               video_data,
               coalesce((SELECT is_level FROM (SELECT video.*) AS own), false) AS is_made
          FROM videos AS video,
               (SELECT NULL::boolean AS is_level) AS absent
       ) AS videos;

-- name: list_page
-- One page of the videos, of all or of some ids, or the one video of an id, each as an
-- object, and on each row of how many it is a page; a row with nothing else if the page is
-- empty. Only if they are sorted by views are those of all added up.
WITH found AS (
    SELECT id,
           row_number() OVER (
               ORDER BY
               CASE %(sort)s WHEN 'newest' THEN created_at END DESC NULLS LAST,
               CASE %(sort)s WHEN 'oldest' THEN created_at END,
               CASE %(sort)s WHEN 'oldest' THEN id END,
               CASE %(sort)s WHEN 'name' THEN lower(filename) END,
               CASE %(sort)s
               WHEN 'size' THEN octet_length(video_data)
               WHEN 'duration' THEN substring(
                   duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$')::numeric
               WHEN 'views' THEN watched.views
               END DESC NULLS LAST,
               id DESC) AS place
      FROM videos
      LEFT JOIN (SELECT video_id, sum(started) AS views
                   FROM video_views
                  WHERE %(sort)s = 'views'
                  GROUP BY video_id) AS watched ON watched.video_id = id
     CROSS JOIN (SELECT NULL::boolean AS is_level) AS absent
     WHERE (id = %(id)s
            OR %(id)s IS NULL
           AND (SELECT is_level FROM (SELECT videos.*) AS own) IS NOT TRUE)
       AND (id = ANY(%(only)s::bigint[]) OR %(only)s IS NULL)
       AND strpos(lower(coalesce(filename, '')), lower(%(search)s)) > 0
       AND (%(filter)s <> 'unlinked'
            OR NOT EXISTS (SELECT FROM definitions WHERE video_id = videos.id)
           AND NOT EXISTS (SELECT FROM definition_videos WHERE video_id = videos.id)
           AND NOT EXISTS (SELECT FROM test_questions WHERE video_id = videos.id)
           AND NOT EXISTS (SELECT FROM question_videos WHERE video_id = videos.id))
), page AS (
    SELECT found.place,
           video.id,
           coalesce(left(video.filename, 255), '') AS filename,
           coalesce(left(video.mime_type, 100), '') AS mime_type,
           coalesce(octet_length(video.video_data), 0) AS bytes,
           round(substring(
               video.duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$')::numeric
           )::integer AS duration_seconds,
           CASE WHEN extract(epoch FROM video.created_at)
                     BETWEEN -62135596800 AND 253402300799
                THEN to_char(
                    to_timestamp(floor(extract(epoch FROM video.created_at)))
                        AT TIME ZONE 'UTC',
                    'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS created_at,
           EXISTS (SELECT FROM thumbnails WHERE video_id = video.id) AS thumbnail,
           (SELECT count(*)
              FROM (SELECT id FROM definitions WHERE video_id = video.id
                    UNION
                    SELECT definition_id FROM definition_videos
                     WHERE video_id = video.id) AS showing)
           + (SELECT count(*)
                FROM (SELECT id FROM test_questions WHERE video_id = video.id
                      UNION
                      SELECT question_id FROM question_videos
                       WHERE video_id = video.id) AS showing) AS links,
           (SELECT coalesce(sum(started), 0)
              FROM video_views
             WHERE video_id = video.id)::bigint AS views
      FROM found
      JOIN videos AS video USING (id)
     WHERE place > %(start)s AND place <= %(start)s + %(count)s
)
SELECT total.count AS total, to_jsonb(page) - 'place' AS video
  FROM (SELECT count(*) FROM found) AS total
  LEFT JOIN page ON TRUE
 ORDER BY page.place;

-- name: read_details
-- What only the page of a single video tells: its digest, and views of all days.
SELECT encode(sha256, 'hex') AS sha256,
       (SELECT json_build_object('started', coalesce(sum(started), 0),
                                 'quarter', coalesce(sum(quarter), 0),
                                 'half', coalesce(sum(half), 0),
                                 'completed', coalesce(sum(completed), 0))
          FROM video_views
         WHERE video_id = %(id)s) AS views
  FROM videos
 WHERE id = %(id)s;

-- name: list_showing
-- The definitions and questions that show a video, each with all it shows, in order.
SELECT 'definition' AS kind,
       id,
       word,
       learning_language,
       native_language,
       array_remove(
           video_id::integer
           || ARRAY(SELECT further.video_id
                      FROM definition_videos AS further
                     WHERE definition_id = definitions.id
                     ORDER BY position),
           NULL) AS videos
  FROM definitions
 WHERE video_id = %(id)s
    OR id IN (SELECT definition_id FROM definition_videos WHERE video_id = %(id)s)
 UNION ALL
SELECT 'question',
       question.id,
       word,
       learning_language,
       native_language,
       array_remove(
           question.video_id::integer
           || ARRAY(SELECT further.video_id
                      FROM question_videos AS further
                     WHERE question_id = question.id
                     ORDER BY position),
           NULL)
  FROM test_questions AS question
  LEFT JOIN definitions ON definitions.id = definition_id
 WHERE question.video_id = %(id)s
    OR question.id IN (SELECT question_id FROM question_videos WHERE video_id = %(id)s)
 ORDER BY kind, id;

-- name: complete_words
-- The definitions whose word begins like this, in any case of letters.
SELECT word,
       learning_language AS language,
       native_language AS native,
       id AS definition_id,
       definition_text,
       (SELECT count(*)
          FROM (SELECT definitions.video_id WHERE definitions.video_id IS NOT NULL
                UNION
                SELECT video_id FROM definition_videos
                 WHERE definition_id = definitions.id) AS shown) AS videos
  FROM definitions
 WHERE starts_with(lower(word), lower(%(prefix)s))
   AND (learning_language = %(language)s OR %(language)s IS NULL)
 ORDER BY lower(word), word, learning_language, native_language, id
 LIMIT %(limit)s;

-- name: find_word
-- Whether there is a definition to link to.
SELECT EXISTS (
    SELECT
      FROM definitions
     WHERE word = %(word)s
       AND learning_language = %(language)s
       AND (native_language = %(native)s OR %(native)s IS NULL));

-- name: find_copies
-- The videos like a file: which is this file, kept as it was or repaired; which has its
-- name, or the one that it is to be kept by; which its bytes.
SELECT id,
       coalesce(filename = %(filename)s AND sha256 = digest
                OR filename = %(repaired)s AND source_sha256 = digest, false)
           AS is_this,
       filename IN (%(filename)s, %(kept)s) AS has_name,
       sha256 = digest AS has_bytes
  FROM videos,
       (SELECT decode(%(sha256)s, 'hex') AS digest) AS sent
 WHERE filename IN (%(filename)s, %(repaired)s) OR sha256 = digest
 ORDER BY id;

-- name: delete_video
-- Takes a video away, with what belongs to it alone.
DELETE FROM videos
 WHERE id = %(id)s
RETURNING id;

-- name: list_days
-- The last 28 days, today last: plays and completed plays of each, and the bytes of the
-- videos that were there at its end; the first has those without a date. Every table is
-- read once, not once a day.
WITH days AS (
    SELECT (now() AT TIME ZONE 'UTC')::date - n AS day
      FROM generate_series(0, 27) AS n
), watched AS (
    SELECT day, sum(started) AS started, sum(completed) AS completed
      FROM video_views
     WHERE day >= (SELECT min(day) FROM days)
     GROUP BY day
), added AS (
    SELECT CASE
           WHEN extract(epoch FROM created_at) > 253402300799
           THEN NULL
           WHEN extract(epoch FROM created_at) > 0
           THEN greatest(
               (to_timestamp(extract(epoch FROM created_at)) AT TIME ZONE 'UTC')::date,
               (SELECT min(day) FROM days))
           ELSE (SELECT min(day) FROM days)
           END AS day,
           sum(octet_length(video_data)) AS size
      FROM videos
     GROUP BY 1
)
SELECT to_char(day, 'YYYY-MM-DD') AS day,
       coalesce(started, 0)::bigint AS started,
       coalesce(completed, 0)::bigint AS completed,
       coalesce(sum(size) OVER (ORDER BY day), 0)::bigint AS video_bytes
  FROM days
  LEFT JOIN watched USING (day)
  LEFT JOIN added USING (day)
 ORDER BY day;
