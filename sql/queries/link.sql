-- Which definitions and questions show which videos: video_id is the first, the tables
-- definition_videos and question_videos have those behind it.

-- name: find_video
-- A video by its id, or else by its file name; the exact name before the one without ./.
SELECT id, filename
  FROM videos
 WHERE id = %(id)s
    OR filename IN (%(name)s, %(plain)s)
 ORDER BY filename = %(name)s DESC
 LIMIT 1;

-- name: is_level
-- Whether a video is a level of another; a foreign table need not know of these: then the
-- name is found one level up, in absent.
SELECT (SELECT is_level FROM (SELECT video.*) AS own) IS TRUE AS is_level
  FROM videos AS video,
       (SELECT NULL::boolean AS is_level) AS absent
 WHERE id = %(id)s;

-- name: lock_definitions
-- The definitions that are asked for, by id, by word or by a video they show. Locked
-- before they are read, so that two who link at the same time do not miss each other.
SELECT id
  FROM definitions
 WHERE (id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL)
   AND (word = %(word)s OR %(word)s IS NULL)
   AND (learning_language = %(language)s OR %(language)s IS NULL)
   AND (native_language = %(native)s OR %(native)s IS NULL)
   AND (video_id = %(video)s
        OR id IN (SELECT definition_id
                    FROM definition_videos
                   WHERE video_id = %(video)s)
        OR %(video)s IS NULL)
 ORDER BY id
   FOR UPDATE;

-- name: read_definitions
-- What these definitions are of, and all their videos in order.
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
 WHERE id = ANY(%(ids)s)
 ORDER BY id;

-- name: save_definition_videos
-- Makes these the videos of a definition; those it had keep their places.
WITH changed AS (
    UPDATE definitions
       SET video_id = %(first)s
     WHERE id = %(id)s
), gone AS (
    DELETE FROM definition_videos
     WHERE definition_id = %(id)s
       AND video_id <> ALL(%(further)s::integer[])
), had AS (
    SELECT position, video_id
      FROM definition_videos
     WHERE definition_id = %(id)s
)
INSERT INTO definition_videos
SELECT %(id)s, coalesce((SELECT max(position) FROM had), 0) + place, added
  FROM unnest(%(further)s::integer[]) WITH ORDINALITY AS wanted (added, place)
 WHERE added NOT IN (SELECT video_id FROM had);

-- name: clear_definition_videos
-- Takes from a definition the videos behind its first, so that others get their places.
DELETE FROM definition_videos
 WHERE definition_id = %(id)s;

-- name: lock_questions
-- The questions that are asked for, by id or by a video they show.
SELECT id
  FROM test_questions
 WHERE (id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL)
   AND (video_id = %(video)s
        OR id IN (SELECT question_id
                    FROM question_videos
                   WHERE video_id = %(video)s)
        OR %(video)s IS NULL)
 ORDER BY id
   FOR UPDATE;

-- name: read_questions
-- What these questions are about, and all their videos in order.
SELECT 'question' AS kind,
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
           NULL) AS videos
  FROM test_questions AS question
  LEFT JOIN definitions ON definitions.id = definition_id
 WHERE question.id = ANY(%(ids)s)
 ORDER BY question.id;

-- name: save_question_videos
-- Makes these the videos of a question; those it had keep their places.
WITH changed AS (
    UPDATE test_questions
       SET video_id = %(first)s
     WHERE id = %(id)s
), gone AS (
    DELETE FROM question_videos
     WHERE question_id = %(id)s
       AND video_id <> ALL(%(further)s::integer[])
), had AS (
    SELECT position, video_id
      FROM question_videos
     WHERE question_id = %(id)s
)
INSERT INTO question_videos
SELECT %(id)s, coalesce((SELECT max(position) FROM had), 0) + place, added
  FROM unnest(%(further)s::integer[]) WITH ORDINALITY AS wanted (added, place)
 WHERE added NOT IN (SELECT video_id FROM had);

-- name: clear_question_videos
-- Takes from a question the videos behind its first, so that others get their places.
DELETE FROM question_videos
 WHERE question_id = %(id)s;

-- name: list_similar_words
-- The same word in other letters or languages, for whom the word was not found.
SELECT DISTINCT word, learning_language AS language, native_language AS native
  FROM definitions
 WHERE lower(word) = lower(%(word)s)
 ORDER BY word, learning_language, native_language
 LIMIT 3;

-- name: list_words
-- Every word once a language.
SELECT DISTINCT word, learning_language AS language
  FROM definitions
 WHERE learning_language = %(language)s OR %(language)s IS NULL
 ORDER BY word, learning_language;

-- name: list_unlinked
-- The videos that no definition and no question shows, but levels, which are shown with
-- their originals. A foreign table need not know of these: then the name is found one level
-- up, in absent.
SELECT id, coalesce(filename, '') AS filename
  FROM videos,
       (SELECT NULL::boolean AS is_level) AS absent
 WHERE (SELECT is_level FROM (SELECT videos.*) AS own) IS NOT TRUE
   AND NOT EXISTS (SELECT FROM definitions WHERE video_id = videos.id)
   AND NOT EXISTS (SELECT FROM test_questions WHERE video_id = videos.id)
   AND NOT EXISTS (SELECT FROM definition_videos WHERE video_id = videos.id)
   AND NOT EXISTS (SELECT FROM question_videos WHERE video_id = videos.id)
 ORDER BY id;

-- name: list_stems
-- What a Snowball dictionary leaves of each part; no rows where it takes nothing away,
-- for words that it skips, and if the server has no such dictionary.
SELECT part, stem
  FROM pg_catalog.pg_ts_dict,
       unnest(%(parts)s::text[]) AS part,
       unnest(ts_lexize(pg_ts_dict.oid, part)) AS stem
 WHERE dictname = %(dictionary)s
   AND dictnamespace = 'pg_catalog'::regnamespace
   AND stem <> part;
