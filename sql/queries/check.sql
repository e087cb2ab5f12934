-- What checking a video reads of it.

-- name: read_video_size
-- The bytes of a video; only the pointer to them is read.
SELECT octet_length(video_data)
  FROM videos
 WHERE id = %(id)s;

-- name: read_video_piece
-- So many bytes of a video from a start that counts from 0.
SELECT substring(video_data FROM %(start)s::integer + 1 FOR %(length)s::integer)
  FROM videos
 WHERE id = %(id)s::bigint;
