-- Levels: smaller encodings of a clip, and the queue of those to be made. An encoder that
-- takes an encoding has it until its lease ends, which it renews; later another takes it.
-- Each time it is taken has a number, by which who had it before learns that it is gone.

-- name: queue_encodings
-- Asks for levels of these heights, of some videos or of all, where they were never asked
-- for. A level gets none itself.
INSERT INTO encodings (video_id, height)
SELECT id, height
  FROM videos, unnest(%(heights)s::integer[]) AS height
 WHERE (id = ANY(%(ids)s::integer[]) OR %(ids)s IS NULL)
   AND NOT is_level
 ORDER BY id, height
    ON CONFLICT (video_id, height) DO NOTHING
RETURNING id;

-- name: list_heights
-- The heights at which levels of a video were asked for.
SELECT height
  FROM encodings
 WHERE video_id = %(id)s
   AND state <> 'cancelled'
 ORDER BY height;

-- name: queue_again
-- Asks anew for levels that failed, were not kept or were cancelled.
UPDATE encodings
   SET state = 'queued',
       progress = 0,
       reason = NULL,
       attempts = 0,
       changed_at = now()
 WHERE state IN ('failed', 'cancelled', 'not-kept')
   AND (video_id = ANY(%(ids)s::integer[]) OR %(ids)s IS NULL)
RETURNING id;

-- name: cancel_encodings
-- Takes levels that are not made yet from the queue, and from their encoders.
UPDATE encodings
   SET state = 'cancelled', lease_until = NULL, changed_at = now()
 WHERE state IN ('queued', 'encoding')
   AND (video_id = ANY(%(ids)s::integer[]) OR %(ids)s IS NULL)
RETURNING id;

-- name: claim_encoding
-- Takes the next that nobody has; what others are just taking is passed over.
WITH next AS (
    SELECT id
      FROM encodings
     WHERE state = 'queued'
        OR state = 'encoding' AND lease_until < now()
     ORDER BY id
     LIMIT 1
       FOR UPDATE SKIP LOCKED
)
UPDATE encodings AS encoding
   SET state = 'encoding',
       progress = 0,
       claims = claims + 1,
       attempts = attempts + 1,
       lease_until = now() + %(seconds)s * interval '1 second',
       changed_at = now()
  FROM next, videos AS video
 WHERE encoding.id = next.id
   AND video.id = encoding.video_id
RETURNING encoding.id,
          encoding.video_id,
          encoding.height,
          encoding.claims AS claim,
          encoding.attempts,
          video.filename,
          octet_length(video.video_data) AS size;

-- name: count_open
-- How many are still to be made, or are being made.
SELECT count(*)
  FROM encodings
 WHERE state IN ('queued', 'encoding');

-- name: renew_lease
-- Keeps an encoding for its encoder; no row if it is not its any more.
UPDATE encodings
   SET progress = greatest(progress, %(progress)s::real),
       lease_until = now() + %(seconds)s * interval '1 second',
       changed_at = now()
 WHERE id = %(id)s
   AND claims = %(claim)s
   AND state = 'encoding'
RETURNING id;

-- name: put_back
-- Gives an encoding back to the queue, as if it had never been taken.
UPDATE encodings
   SET state = 'queued',
       progress = 0,
       attempts = greatest(attempts - 1, 0),
       lease_until = NULL,
       changed_at = now()
 WHERE id = %(id)s
   AND claims = %(claim)s
   AND state = 'encoding';

-- name: end_encoding
-- Notes why there is no level; no row if the encoding is not its encoder's any more.
UPDATE encodings
   SET state = %(state)s,
       reason = %(reason)s,
       lease_until = NULL,
       changed_at = now()
 WHERE id = %(id)s
   AND claims = %(claim)s
   AND state = 'encoding'
RETURNING id;

-- name: save_original
-- What is known of a video that levels are made of, if it is still there.
INSERT INTO originals (video_id, width, height, bit_rate, frame_rate, codecs)
SELECT id, %(width)s, %(height)s, %(bit_rate)s, %(frame_rate)s, %(codecs)s
  FROM videos
 WHERE id = %(video_id)s
    ON CONFLICT (video_id) DO UPDATE
   SET (width, height, bit_rate, frame_rate, codecs) = (
           excluded.width,
           excluded.height,
           excluded.bit_rate,
           excluded.frame_rate,
           excluded.codecs);

-- name: hold_original
-- Has whoever deletes the original wait until its level is there and goes along; before
-- the encoding is locked, as those do.
SELECT
  FROM videos
 WHERE id = %(video_id)s
   FOR KEY SHARE;

-- name: hold_encoding
-- A row if the encoding is still its encoder's, and nobody takes it now.
SELECT id
  FROM encodings
 WHERE id = %(id)s
   AND claims = %(claim)s
   AND state = 'encoding'
   FOR UPDATE;

-- name: save_level
-- Makes a video a level, and its encoding ready.
WITH marked AS (
    UPDATE videos
       SET is_level = true
     WHERE id = %(level_id)s
), described AS (
    INSERT INTO levels (
               video_id, original_id, width, height, bit_rate, frame_rate, codecs)
    VALUES (%(level_id)s,
            %(video_id)s,
            %(width)s,
            %(height)s,
            %(bit_rate)s,
            %(frame_rate)s,
            %(codecs)s)
)
UPDATE encodings
   SET state = 'ready',
       progress = 1,
       reason = NULL,
       level_id = %(level_id)s,
       lease_until = NULL,
       changed_at = now()
 WHERE id = %(id)s;

-- name: note_encoding_result
-- Counts what became of an encoding.
INSERT INTO encoding_results AS known (result, encodings)
VALUES (%(result)s, 1)
    ON CONFLICT (result) DO UPDATE
   SET encodings = known.encodings + 1;

-- name: find_original
-- Of which video a video is a level.
SELECT original_id
  FROM levels
 WHERE video_id = %(id)s;

-- name: list_levels
-- The levels of these videos, of each the one of the least bits first; among them the video
-- itself, if its figures are known.
WITH made AS (
    SELECT video_id, original_id, width, height, bit_rate, frame_rate, codecs
      FROM levels
     WHERE original_id = ANY(%(ids)s::bigint[])
)
SELECT video_id,
       original_id,
       width,
       height,
       bit_rate,
       frame_rate,
       codecs,
       octet_length(video_data) AS bytes
  FROM (SELECT * FROM made
         UNION ALL
        SELECT video_id, video_id, width, height, bit_rate, frame_rate, codecs
          FROM originals
         WHERE video_id IN (SELECT original_id FROM made)) AS listed
  JOIN videos ON id = video_id
 ORDER BY original_id, bit_rate, video_id;

-- name: list_with_levels
-- A video with its levels, or those that a level is one of, the least bits first. The
-- figures of a video are known once it was looked at for levels.
WITH asked AS (
    SELECT coalesce((SELECT original_id FROM levels WHERE video_id = %(id)s), %(id)s) AS id
), known AS (
    SELECT video_id, width, height, bit_rate, frame_rate, codecs
      FROM originals
      JOIN asked ON video_id = asked.id
     UNION ALL
    SELECT video_id, width, height, bit_rate, frame_rate, codecs
      FROM levels
      JOIN asked ON original_id = asked.id
)
SELECT listed.video_id,
       asked.id AS original_id,
       width,
       height,
       bit_rate,
       frame_rate,
       codecs,
       octet_length(video_data) AS bytes
  FROM (SELECT id AS video_id FROM asked UNION SELECT video_id FROM known) AS listed
  JOIN videos ON videos.id = listed.video_id
  LEFT JOIN known ON known.video_id = listed.video_id
 CROSS JOIN asked
 ORDER BY bit_rate NULLS LAST, listed.video_id;

-- name: list_encodings
-- The levels of these videos that are there, to be made, or were not kept, in order.
SELECT encodings.video_id,
       encodings.height,
       state,
       round(progress::numeric, 2)::float AS progress,
       reason,
       level_id,
       octet_length(video_data) AS bytes,
       bit_rate
  FROM encodings
  LEFT JOIN videos ON videos.id = level_id
  LEFT JOIN levels ON levels.video_id = level_id
 WHERE encodings.video_id = ANY(%(ids)s::bigint[])
 ORDER BY encodings.video_id, encodings.height;

-- name: count_encodings
-- How many levels are in each state, and the bytes of those that are there.
SELECT state,
       count(*) AS levels,
       coalesce(sum(octet_length(video_data)), 0)::bigint AS bytes
  FROM encodings
  LEFT JOIN videos ON videos.id = level_id
 GROUP BY state
 ORDER BY state;

-- name: list_encoding_results
-- What became of all that was ever encoded.
SELECT result, encodings
  FROM encoding_results
 ORDER BY result;
