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
