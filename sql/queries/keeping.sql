-- How the keeper lists, checks and changes the library. Nothing here reads the videos'
-- bytes: of a value that is kept apart, octet_length reads the pointer alone.

-- name: describe_tables
-- Which tables beside videos there are for us to read: those of words with their links,
-- of views and of checks; and whether checks can be kept.
SELECT bool_and(coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false))
           FILTER (WHERE kind = 'links') AS links,
       bool_and(coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false))
           FILTER (WHERE kind = 'views') AS views,
       bool_and(coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false))
           FILTER (WHERE kind = 'checks') AS checks,
       bool_and(coalesce(has_table_privilege(to_regclass(name), 'INSERT, UPDATE, DELETE'),
                         false))
           FILTER (WHERE kind = 'checks') AND NOT pg_is_in_recovery() AS keeps_checks
  FROM (VALUES ('links', 'definitions'), ('links', 'definition_videos'),
               ('links', 'test_questions'), ('links', 'question_videos'),
               ('views', 'video_views'), ('checks', 'checks')) AS wanted (kind, name);

-- name: list_clips
-- The videos, but no levels, whose names have this in them, of some ids alone or without some, in order. A
-- foreign table need not tell how long they are: then the name is found one level up, in
-- absent. How often each was watched comes in two lists. What is searched for is in
-- Unicode's normal form C, and total is how many there are without the limit.
SELECT count(*) OVER () AS total, id, filename, mime_type, bytes, duration_seconds,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
  FROM (SELECT id,
               coalesce(filename::text, '') AS filename,
               mime_type::text AS mime_type,
               coalesce(octet_length(video_data), 0) AS bytes,
               (SELECT duration_seconds FROM (SELECT video.*) AS own),
               created_at::timestamptz AS created_at
          FROM videos AS video,
               (SELECT NULL::integer AS duration_seconds, NULL::boolean AS is_level)
                   AS absent
         WHERE (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
       ) AS listed
  LEFT JOIN unnest(%(watched)s::bigint[], %(views)s::bigint[]) AS counted (video_id, views)
    ON video_id = id
 WHERE strpos(lower(CASE getdatabaseencoding() WHEN 'UTF8' THEN normalize(filename) ELSE filename END),
              lower(%(search)s)) > 0
   AND (id = ANY(%(only)s::bigint[]) OR %(only)s IS NULL)
   AND NOT EXISTS (SELECT FROM unnest(%(without)s::bigint[]) AS other WHERE other = id)
 ORDER BY CASE %(sort)s WHEN 'newest' THEN created_at END DESC NULLS LAST,
          CASE %(sort)s WHEN 'oldest' THEN created_at END,
          CASE %(sort)s WHEN 'oldest' THEN id END,
          CASE %(sort)s WHEN 'name' THEN lower(filename) END,
          CASE %(sort)s
          WHEN 'size' THEN bytes
          WHEN 'duration' THEN duration_seconds
          WHEN 'views' THEN coalesce(views, 0)
          END DESC NULLS LAST,
          id DESC
 LIMIT %(limit)s;

-- name: find_clips_by_word
-- The videos that definitions or questions of a word, or of a language, show; without
-- both, all that anything shows.
SELECT DISTINCT shown.video_id
  FROM (SELECT id AS definition_id, video_id FROM definitions
        UNION ALL
        SELECT definition_id, video_id FROM definition_videos
        UNION ALL
        SELECT definition_id, video_id FROM test_questions
        UNION ALL
        SELECT test_questions.definition_id, question_videos.video_id
          FROM question_videos
          JOIN test_questions ON test_questions.id = question_id
       ) AS shown
  LEFT JOIN definitions ON definitions.id = definition_id
 WHERE shown.video_id IS NOT NULL
   AND (lower(CASE getdatabaseencoding() WHEN 'UTF8' THEN normalize(word::text) ELSE word::text END)
            = lower(%(word)s)
        OR %(word)s IS NULL)
   AND (learning_language = %(language)s OR %(language)s IS NULL);

-- name: list_clip_words
-- What shows each of these videos: its words, their languages, how many definitions and
-- questions.
SELECT shown.video_id,
       coalesce(array_agg(DISTINCT word::text) FILTER (WHERE word IS NOT NULL), '{}')
           AS words,
       coalesce(array_agg(DISTINCT learning_language::text)
                    FILTER (WHERE learning_language IS NOT NULL), '{}') AS languages,
       count(*) FILTER (WHERE kind = 'definition') AS definitions,
       count(*) FILTER (WHERE kind = 'question') AS questions
  FROM (SELECT 'definition' AS kind, id, id AS definition_id, video_id
          FROM definitions
         WHERE video_id = ANY(%(ids)s::bigint[])
        UNION
        SELECT 'definition', definition_id, definition_id, video_id
          FROM definition_videos
         WHERE video_id = ANY(%(ids)s::bigint[])
        UNION
        SELECT 'question', id, definition_id, video_id
          FROM test_questions
         WHERE video_id = ANY(%(ids)s::bigint[])
        UNION
        SELECT 'question', question_id, test_questions.definition_id,
               question_videos.video_id
          FROM question_videos
          JOIN test_questions ON test_questions.id = question_id
         WHERE question_videos.video_id = ANY(%(ids)s::bigint[])
       ) AS shown
  LEFT JOIN definitions ON definitions.id = definition_id
 GROUP BY shown.video_id;

-- name: list_clip_views
-- How often these videos, or all, were started.
SELECT video_id, sum(started)::bigint AS views
  FROM video_views
 WHERE video_id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL
 GROUP BY video_id;

-- name: list_clip_checks
-- When these videos were checked, and the codes of what was wrong, the worst first.
SELECT video_id,
       to_char(checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS checked_at,
       ARRAY(SELECT flaw ->> 'code'
               FROM jsonb_array_elements(flaws) WITH ORDINALITY AS found (flaw, place)
              ORDER BY place) AS flaws
  FROM checks
 WHERE video_id = ANY(%(ids)s::bigint[]);

-- name: read_check
-- What was wrong with a video when it was checked.
SELECT flaws
  FROM checks
 WHERE video_id = %(id)s;

-- name: find_clips_by_flaw
-- The videos that have a flaw of this code or severity, have any, have none, or were never
-- checked.
SELECT id AS video_id
  FROM videos
  LEFT JOIN checks ON video_id = id
 WHERE CASE %(flaw)s
       WHEN 'unchecked' THEN video_id IS NULL
       WHEN 'any' THEN flaws <> '[]'
       WHEN 'none' THEN flaws = '[]'
       ELSE flaws @> jsonb_build_array(jsonb_build_object('code', %(flaw)s::text))
            OR flaws @> jsonb_build_array(jsonb_build_object('severity', %(flaw)s::text))
       END;

-- name: list_words_with_clips
-- Every word once a language, with its definitions, questions and the videos they show, in
-- order; all, or only those with a video or without one.
WITH mine AS (
    SELECT id, word, coalesce(learning_language, '') AS language, native_language, video_id
      FROM definitions
     WHERE (learning_language = %(language)s OR %(language)s IS NULL)
       AND strpos(lower(CASE getdatabaseencoding() WHEN 'UTF8' THEN normalize(word::text) ELSE word::text END),
                  lower(%(search)s)) > 0
), shown AS (
    SELECT word, language, video_id, id, 0 AS place
      FROM mine
     WHERE video_id IS NOT NULL
    UNION ALL
    SELECT word, language, further.video_id, id, position
      FROM mine
      JOIN definition_videos AS further ON definition_id = id
), placed AS (
    SELECT *,
           row_number() OVER (PARTITION BY word, language ORDER BY id, place) AS nth
      FROM shown
), once AS (
    SELECT word, language, video_id, min(nth) AS nth
      FROM placed
     GROUP BY word, language, video_id
), clips AS (
    SELECT word, language, array_agg(video_id ORDER BY nth) AS videos
      FROM once
     GROUP BY word, language
), asked AS (
    SELECT definition_id, count(*) AS questions
      FROM test_questions
     GROUP BY definition_id
), counted AS (
    SELECT word,
           language,
           array_remove(array_agg(DISTINCT native_language::text), NULL) AS natives,
           count(*) AS definitions,
           coalesce(sum(questions), 0)::bigint AS questions
      FROM mine
      LEFT JOIN asked ON definition_id = id
     GROUP BY word, language
)
SELECT word, language, natives, definitions, questions, coalesce(videos, '{}') AS videos
  FROM counted
  LEFT JOIN clips USING (word, language)
 WHERE (videos IS NOT NULL) = %(with_clip)s OR %(with_clip)s IS NULL
 ORDER BY language, lower(word), word;

-- name: forget_checks
-- The checks of videos that are gone.
DELETE FROM checks
 WHERE NOT EXISTS (SELECT FROM videos WHERE id = video_id);

-- name: list_checkable
-- Every video but levels, and what is known of it by these rules, unless it has changed
-- since. A
-- foreign table need not have digests: then the name is found one level up, in absent.
SELECT id,
       filename,
       size,
       flaws
  FROM (SELECT id,
               coalesce(filename::text, '') AS filename,
               coalesce(octet_length(video_data), 0) AS size,
               (SELECT sha256 FROM (SELECT video.*) AS own)
          FROM videos AS video,
               (SELECT NULL::bytea AS sha256, NULL::boolean AS is_level) AS absent
         WHERE (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
       ) AS present
  LEFT JOIN checks
    ON video_id = id
   AND rules = %(rules)s
   AND size_bytes = size
   AND checks.sha256 IS NOT DISTINCT FROM present.sha256
 ORDER BY id;

-- name: save_check
-- What is wrong with a video; nothing is kept, and no row returned, if it is gone.
INSERT INTO checks (video_id, rules, size_bytes, sha256, flaws)
SELECT id,
       %(rules)s,
       coalesce(octet_length(video_data), 0),
       (SELECT sha256 FROM (SELECT video.*) AS own),
       %(flaws)s::jsonb
  FROM videos AS video,
       (SELECT NULL::bytea AS sha256) AS absent
 WHERE id = %(id)s
    ON CONFLICT (video_id) DO UPDATE
   SET (checked_at, rules, size_bytes, sha256, flaws) = (
           excluded.checked_at,
           excluded.rules,
           excluded.size_bytes,
           excluded.sha256,
           excluded.flaws)
RETURNING video_id;

-- name: rename_video
-- Gives a video another name.
UPDATE videos
   SET filename = %(filename)s
 WHERE id = %(id)s;

-- name: forget_check
-- Nothing is kept of a video that goes.
DELETE FROM checks
 WHERE video_id = %(id)s;

-- name: list_exportable
-- Every video but levels, which can be made again, with what an export tells of it. A foreign table need not have all of it:
-- then the names are found one level up, in absent.
SELECT id,
       coalesce(filename::text, '') AS filename,
       mime_type::text AS mime_type,
       coalesce(octet_length(video_data), 0) AS bytes,
       (SELECT duration_seconds FROM (SELECT video.*) AS own),
       encode((SELECT sha256 FROM (SELECT video.*) AS own), 'hex') AS sha256,
       encode((SELECT source_sha256 FROM (SELECT video.*) AS own), 'hex') AS source_sha256
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds,
               NULL::bytea AS sha256,
               NULL::bytea AS source_sha256,
               NULL::boolean AS is_level) AS absent
 WHERE (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
 ORDER BY id;

-- name: list_exportable_definitions
-- Every definition, and the videos it shows, in order.
SELECT id,
       word::text,
       definition_text::text,
       learning_language::text,
       native_language::text,
       array_remove(
           video_id::bigint
           || ARRAY(SELECT further.video_id::bigint
                      FROM definition_videos AS further
                     WHERE definition_id = definitions.id
                     ORDER BY position),
           NULL) AS videos
  FROM definitions
 ORDER BY id;

-- name: list_exportable_questions
-- Every question, and the videos it shows, in order.
SELECT definition_id,
       question_text::text,
       choices,
       correct_answer::text,
       array_remove(
           video_id::bigint
           || ARRAY(SELECT further.video_id::bigint
                      FROM question_videos AS further
                     WHERE question_id = test_questions.id
                     ORDER BY position),
           NULL) AS videos
  FROM test_questions
 ORDER BY id;
