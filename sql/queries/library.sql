-- What the keeper of the videos reads and writes.

-- name: allow_long_statements
-- Lets a large file arrive where statements have a time limit; until the commit.
SET LOCAL statement_timeout = 0;

-- name: find_import
-- The video of a file name, and whether it has the bytes of this digest.
SELECT id, file_size_bytes, duration_seconds, sha256 = %(sha256)s
  FROM videos
 WHERE filename = %(filename)s;

-- name: copy_video
-- Takes one row in PostgreSQL's binary format: the only way for a value of up to a
-- gigabyte, which as a literal would have to fit into memory several times.
COPY videos (filename, mime_type, file_size_bytes, duration_seconds, sha256, video_data)
FROM STDIN (FORMAT binary);

-- name: verify_import
-- The id of the video, if its bytes arrived as they were sent.
SELECT id
  FROM videos
 WHERE filename = %(filename)s
   AND sha256(video_data) = %(sha256)s
   AND octet_length(video_data) = %(size)s;

-- name: list_known
-- Which of these file names are in the table.
SELECT filename
  FROM videos
 WHERE filename = ANY(%(names)s);

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
-- A question about a definition, with its video if that is in the table.
INSERT INTO test_questions (
           definition_id, question_text, choices, correct_answer, video_id)
VALUES (%(definition_id)s,
        %(text)s,
        %(choices)s,
        %(correct_answer)s,
        (SELECT id FROM videos WHERE filename = %(filename)s));

-- name: add_saved_word
-- A word of a learner, due so many seconds from now.
INSERT INTO saved_words (
           user_id, word, learning_language, native_language, next_review_date)
VALUES (%(user_id)s,
        %(word)s,
        %(learning)s,
        %(native)s,
        now() + %(seconds)s * interval '1 second');
