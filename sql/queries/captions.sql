-- The captions of videos.

-- name: find_captions
-- The captions of a video in a language, and when they changed, in seconds. Where videos
-- is a view, captions may be one too.
SELECT video_id::bigint,
       language::text,
       CASE WHEN extract(epoch FROM updated_at) BETWEEN 0 AND 9e12
            THEN floor(extract(epoch FROM updated_at))::bigint END AS modified,
       vtt::text
  FROM captions
 WHERE video_id = %(video_id)s
   AND language = %(language)s
   AND vtt IS NOT NULL;

-- name: captions_of
-- In which languages these videos have captions.
SELECT video_id::bigint, language::text
  FROM captions
 WHERE video_id = ANY(%(ids)s::bigint[])
   AND vtt IS NOT NULL
 ORDER BY video_id, language;

-- name: describe_captions
-- Of each language of a video: how many cues, how many bytes, since when.
SELECT language,
       (length(vtt) - length(replace(vtt, '-->', ''))) / 3 AS cues,
       octet_length(vtt) AS bytes,
       to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS updated_at
  FROM captions
 WHERE video_id = %(video_id)s
 ORDER BY language;

-- name: keeps_captions
-- Whether captions can be kept: a database of others need have no table for them.
SELECT coalesce(has_table_privilege(to_regclass('captions'), 'SELECT'), false) AS reads,
       coalesce(has_table_privilege(to_regclass('captions'), 'INSERT, UPDATE'), false)
           AND NOT pg_is_in_recovery() AS writes;

-- name: save_captions
-- Keeps captions, in place of those before in the language; no row if they are the same.
INSERT INTO captions (video_id, language, vtt)
VALUES (%(video_id)s, %(language)s, %(vtt)s)
    ON CONFLICT (video_id, language) DO UPDATE
   SET vtt = excluded.vtt,
       updated_at = clock_timestamp()
 WHERE captions.vtt <> excluded.vtt
RETURNING created_at = updated_at AS is_new;

-- name: read_captions
-- All captions of these videos, or of all.
SELECT video_id, language, vtt
  FROM captions
 WHERE video_id = ANY(%(ids)s::bigint[]) OR %(ids)s IS NULL
 ORDER BY video_id, language;

-- name: delete_captions
-- Deletes the captions of a video in a language.
DELETE FROM captions
 WHERE video_id = %(video_id)s
   AND language = %(language)s
RETURNING video_id;

-- name: find_clips_by_file_names
-- The videos of these file names.
SELECT id, filename::text
  FROM videos
 WHERE filename = ANY(%(names)s::text[]);

-- name: read_duration
-- How long a video is, in seconds; a foreign table need not tell: then the name is found
-- one level up, in absent.
SELECT (SELECT substring(duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$')::float8
          FROM (SELECT video.*) AS own) AS seconds
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 WHERE id = %(video_id)s;
