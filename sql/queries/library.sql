-- What the keeper of the videos reads and writes.

-- name: allow_long_statements
-- Lets a large file arrive where statements have a time limit; until the commit.
SET LOCAL statement_timeout = 0;

-- name: limit_lock_waits
-- Has a transaction wait for each lock so long at most, where somebody waits for it.
SELECT set_config('lock_timeout', %(milliseconds)s, TRUE);

-- name: describe_inventory
-- Whether our videos have source digests, and we may keep thumbnails of them and queue
-- levels; those of another table than this one would be refused.
SELECT EXISTS (SELECT
                 FROM pg_attribute
                WHERE attrelid = to_regclass('videos')
                  AND attname = 'source_sha256'
                  AND NOT attisdropped) AS keeps_source,
       EXISTS (SELECT
                 FROM pg_constraint
                WHERE conrelid = to_regclass('thumbnails')
                  AND confrelid = to_regclass('videos')
                  AND has_table_privilege(conrelid, 'SELECT')
                  AND has_table_privilege(conrelid, 'INSERT')
                  AND has_table_privilege(conrelid, 'UPDATE')) AS keeps_thumbnails,
       to_regclass('import_results') IS NOT NULL AS keeps_results,
       EXISTS (SELECT
                 FROM pg_constraint
                WHERE conrelid = to_regclass('encodings')
                  AND confrelid = to_regclass('videos')
                  AND has_table_privilege(conrelid, 'SELECT')
                  AND has_table_privilege(conrelid, 'INSERT')) AS keeps_levels;

-- name: list_imports
-- The videos of these file names with their digests; a table of others need not have
-- that of the source: then the name is found one level up, in absent.
SELECT filename,
       sha256,
       (SELECT source_sha256 FROM (SELECT video.*) AS own),
       id AS video_id,
       file_size_bytes AS size,
       duration_seconds
  FROM videos AS video,
       (SELECT NULL::bytea AS source_sha256) AS absent
 WHERE filename = ANY(%(names)s);

-- name: copy_video
-- Takes one row in PostgreSQL's binary format: the only way for a value of up to a
-- gigabyte, which as a literal would have to fit into memory several times.
COPY videos (filename, mime_type, file_size_bytes, duration_seconds, sha256, video_data)
FROM STDIN (FORMAT binary);

-- name: copy_repaired_video
-- The same for a file that was repaired, with the digest of what it was before.
COPY videos (filename, mime_type, file_size_bytes, duration_seconds, sha256,
             source_sha256, video_data)
FROM STDIN (FORMAT binary);

-- name: save_source
-- What a video was repaired from, if that is not known.
UPDATE videos
   SET source_sha256 = %(source_sha256)s
 WHERE filename = %(filename)s
   AND sha256 = %(sha256)s
   AND source_sha256 IS NULL;

-- name: verify_import
-- The id of the video, if its bytes arrived as they were sent.
SELECT id
  FROM videos
 WHERE filename = %(filename)s
   AND sha256(video_data) = %(sha256)s
   AND octet_length(video_data) = %(size)s;

-- name: commit_without_waiting
-- Commits without waiting for the disk: what is lost if PostgreSQL crashes is small.
SET LOCAL synchronous_commit = off;

-- name: note_results
-- Counts what became of files.
INSERT INTO import_results AS known (result, files)
SELECT *
  FROM unnest(%(results)s::text[], %(files)s::bigint[])
 ORDER BY 1
    ON CONFLICT (result) DO UPDATE
   SET files = known.files + excluded.files;

-- name: find_newest_video
-- The video that came last.
SELECT max(id) AS id
  FROM videos
HAVING count(*) > 0;

-- name: find_same_bytes
-- A video of one of these digests, or repaired from a file of one, up to the newest.
SELECT id, filename::text
  FROM videos
 WHERE (sha256 = ANY(%(digests)s) OR source_sha256 = ANY(%(digests)s))
   AND id <= %(newest)s
 ORDER BY id
 LIMIT 1;

-- name: list_known
-- Which of these file names are in the table.
SELECT filename
  FROM videos
 WHERE filename = ANY(%(names)s);

-- name: list_definitions
-- The definitions of these words in a language.
SELECT id
  FROM definitions
 WHERE learning_language = %(language)s
   AND word = ANY(%(words)s);

-- name: list_present
-- Which of these videos are still in the table.
SELECT id
  FROM videos
 WHERE id = ANY(%(ids)s);

-- name: list_words_without
-- The words of a language of which no definition shows a video.
SELECT word
  FROM definitions
 WHERE learning_language = %(language)s
 GROUP BY word
HAVING count(video_id) = 0
   AND NOT bool_or(EXISTS (SELECT
                             FROM definition_videos
                            WHERE definition_id = definitions.id))
 ORDER BY word;

-- name: list_same_words
-- The definitions of these words for those who learn them, as an export names them.
SELECT id, word, learning_language, native_language, definition_text
  FROM definitions
  JOIN unnest(%(words)s::text[], %(learning)s::text[], %(native)s::text[])
       AS asked (of_word, learning, native)
    ON word = of_word
   AND learning_language IS NOT DISTINCT FROM learning
   AND native_language IS NOT DISTINCT FROM native
 ORDER BY id;

-- name: list_asked
-- The questions about these definitions.
SELECT id, definition_id, question_text, choices, correct_answer
  FROM test_questions
 WHERE definition_id = ANY(%(ids)s::bigint[])
 ORDER BY id;

-- name: find_learner
-- Whether a learner keeps any word.
SELECT EXISTS (SELECT FROM saved_words WHERE user_id = %(user_id)s);

-- name: add_definition
-- A definition with the first of its videos, if that is in the table; its id.
INSERT INTO definitions (
           word, definition_text, learning_language, native_language, video_id)
VALUES (%(word)s,
        %(text)s,
        %(learning)s,
        %(native)s,
        (SELECT id FROM videos WHERE filename = %(filename)s))
RETURNING id;

-- name: add_definition_video
-- A further video of a definition.
INSERT INTO definition_videos
SELECT %(definition_id)s, %(position)s, id
  FROM videos
 WHERE filename = %(filename)s;

-- name: add_question
-- A question about a definition, with its video if that is in the table; its id.
INSERT INTO test_questions (
           definition_id, question_text, choices, correct_answer, video_id)
VALUES (%(definition_id)s,
        %(text)s,
        %(choices)s,
        %(correct_answer)s,
        (SELECT id FROM videos WHERE filename = %(filename)s))
RETURNING id;

-- name: add_saved_word
-- A word of a learner, due so many seconds from now.
INSERT INTO saved_words (
           user_id, word, learning_language, native_language, next_review_date)
VALUES (%(user_id)s,
        %(word)s,
        %(learning)s,
        %(native)s,
        now() + %(seconds)s * interval '1 second');
