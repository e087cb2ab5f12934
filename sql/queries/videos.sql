-- What serving reads. A relation named videos with the columns id, filename,
-- mime_type, video_data and created_at is all it needs: a table or a view.

-- name: find_video
-- One video without its bytes. The size is the value's own: octet_length reads it
-- from the TOAST pointer.
SELECT id,
       filename,
       mime_type,
       octet_length(video_data),
       coalesce(floor(extract(epoch FROM created_at)), 0)::bigint
  FROM videos
 WHERE id = %(id)s;

-- name: list_videos
-- The newest videos, without their bytes, and their length in seconds. A foreign table
-- need not have one: then the name is found one level up, in absent.
SELECT id,
       filename,
       mime_type,
       octet_length(video_data),
       coalesce(floor(extract(epoch FROM created_at)), 0)::bigint,
       (SELECT duration_seconds FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: read_chunk
-- The bytes of a video from start (counted from 0), as long as its size stays.
SELECT substring(video_data FROM %(start)s + 1 FOR %(length)s)
  FROM videos
 WHERE id = %(id)s
   AND octet_length(video_data) = %(size)s;

-- name: check_videos
-- Nothing, or an error that names what serving lacks.
SELECT id, filename, mime_type, video_data, created_at
  FROM videos
 LIMIT 0;
