-- The pictures that stand for videos.

-- name: save_thumbnail
-- Keeps a picture; in place of another one only if it was made again.
INSERT INTO thumbnails AS thumbnail (video_id, mime_type, width, height, image)
VALUES (%(video_id)s, %(mime_type)s, %(width)s, %(height)s, %(image)s)
    ON CONFLICT (video_id) DO UPDATE
   SET (mime_type, width, height, image, created_at) = (
           excluded.mime_type,
           excluded.width,
           excluded.height,
           excluded.image,
           excluded.created_at)
 WHERE %(again)s::boolean;

-- name: find_thumbnail
-- The picture of a video, and when it was made in microseconds. Where videos is a view,
-- thumbnails may be one too.
SELECT video_id::bigint,
       coalesce(mime_type, '')::text AS mime_type,
       CASE WHEN extract(epoch FROM created_at) BETWEEN -62135596800 AND 9e12
            THEN (extract(epoch FROM created_at) * 1000000)::bigint END AS made,
       image
  FROM thumbnails
 WHERE video_id = %(video_id)s
   AND image IS NOT NULL;

-- name: list_thumbnails
-- Which of these videos have a picture.
SELECT video_id
  FROM thumbnails
 WHERE video_id = ANY(%(ids)s::bigint[]);

-- name: list_picturable
-- These videos, or all but levels that lack a picture, or all; and whether each has one.
SELECT id,
       filename,
       octet_length(video_data) AS size,
       video_id IS NOT NULL AS has_thumbnail
  FROM videos
  LEFT JOIN thumbnails ON video_id = id
 CROSS JOIN (SELECT NULL::boolean AS is_level) AS absent
 WHERE id = ANY(%(ids)s::bigint[])
    OR %(ids)s IS NULL
   AND (video_id IS NULL OR %(again)s::boolean)
   AND (SELECT is_level FROM (SELECT videos.*) AS own) IS NOT TRUE
 ORDER BY id;
