-- What checking a video reads of it.

-- name: find_video_to_check
-- The video of this id or this file name, and its size; an id goes before a name.
SELECT id, filename, octet_length(video_data)
  FROM videos
 WHERE id = %(id)s::bigint
    OR filename = %(filename)s
 ORDER BY id IS NOT DISTINCT FROM %(id)s::bigint DESC
 LIMIT 1;

-- name: read_video_piece
-- So many bytes of a video from a start that counts from 0.
SELECT substring(video_data FROM %(start)s::integer + 1 FOR %(length)s::integer)
  FROM videos
 WHERE id = %(id)s::bigint;
