-- Pictures of a video's moments, its storyboard and its animation.

-- name: find_previewable
-- The bytes of a video and its length in milliseconds, if that is known; a foreign table
-- need not know it: then the name is found one level up, in absent.
SELECT octet_length(video_data),
       (SELECT round(1000 * substring(
                   duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$'
               )::numeric)::bigint
          FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 WHERE id = %(id)s::bigint
   AND video_data IS NOT NULL;

-- name: find_preview
-- A picture of a video, or the cues that belong to it, and when it was made in
-- microseconds. Where videos is a view, previews may be one too.
SELECT video_id::bigint,
       CASE WHEN %(cues)s::boolean THEN 'text/vtt'
            ELSE coalesce(mime_type, '')::text END AS mime_type,
       CASE WHEN extract(epoch FROM created_at) BETWEEN -62135596800 AND 9e12
            THEN (extract(epoch FROM created_at) * 1000000)::bigint END AS made,
       CASE WHEN %(cues)s::boolean THEN convert_to(cues::text, 'UTF8')
            ELSE image END AS image
  FROM previews
 WHERE video_id = %(video_id)s::bigint
   AND kind = %(kind)s::text
   AND at_ms = %(at_ms)s::bigint
   AND previews.image IS NOT NULL
   AND (cues IS NOT NULL OR NOT %(cues)s::boolean);

-- name: save_preview
-- Keeps a picture; in place of another one only if it was made again.
INSERT INTO previews AS preview
       (video_id, kind, at_ms, mime_type, width, height, image, cues)
VALUES (%(video_id)s, %(kind)s, %(at_ms)s, %(mime_type)s, %(width)s, %(height)s,
        %(image)s, %(cues)s)
    ON CONFLICT (video_id, kind, at_ms) DO UPDATE
   SET (mime_type, width, height, image, cues, created_at) = (
           excluded.mime_type,
           excluded.width,
           excluded.height,
           excluded.image,
           excluded.cues,
           excluded.created_at)
 WHERE %(again)s::boolean;

-- name: drop_oldest_frames
-- Keeps the pictures of a video's moments within their bounds; the latest stay.
DELETE FROM previews
 USING (SELECT at_ms,
               row_number() OVER latest AS frames,
               sum(octet_length(image)) OVER latest AS bytes
          FROM previews
         WHERE video_id = %(video_id)s
           AND kind = 'frame'
        WINDOW latest AS (ORDER BY created_at DESC, at_ms)) AS kept
 WHERE video_id = %(video_id)s
   AND kind = 'frame'
   AND previews.at_ms = kept.at_ms
   AND (kept.frames > %(frames)s OR kept.bytes > %(bytes)s);

-- name: list_previewable
-- These videos, or all that lack a preview of these that lists and scrub bars show, or all;
-- and what each has. Clips above least_seconds have a storyboard.
SELECT id, filename, size, animated, storyboarded, tiled
  FROM (SELECT id,
               filename,
               octet_length(video_data) AS size,
               EXISTS (SELECT FROM previews
                        WHERE video_id = id AND kind = 'animation') AS animated,
               EXISTS (SELECT FROM previews
                        WHERE video_id = id AND kind = 'storyboard') AS storyboarded,
               coalesce(duration_seconds > %(least_seconds)s, FALSE) AS tiled
          FROM videos) AS video
 WHERE id = ANY(%(ids)s::bigint[])
    OR %(ids)s IS NULL
       AND (NOT animated OR tiled AND NOT storyboarded OR %(again)s::boolean)
 ORDER BY id;
