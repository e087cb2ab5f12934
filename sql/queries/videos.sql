-- What serving reads. A relation named videos with the columns id, filename,
-- mime_type, video_data and created_at is all it needs: a table or a view.

-- name: read_videos
-- For each read (a video, where to start, how many bytes) its place, what the video is
-- now and the bytes; a negative start counts from the end. No bytes, or no row, for a
-- video that is not there.
-- octet_length reads the TOAST pointer alone, substring just the rows of its slice.
-- All but the bytes is one column: each costs the reader as much as many bytes. LIMIT has
-- every video looked up by itself: the plan is kept, also when there are many more.
SELECT ROW(
           asked.place,
           filename::text,
           mime_type::text,
           octet_length(video_data),
           floor(extract(epoch FROM created_at))::bigint),
       substring(
           video_data
           FROM greatest(
               asked.start + (asked.start < 0)::integer * octet_length(video_data), 0
           ) + 1
           FOR asked.length)
  FROM unnest(%(ids)s::bigint[], %(starts)s::integer[], %(lengths)s::integer[])
       WITH ORDINALITY AS asked (id, start, length, place),
       LATERAL (SELECT * FROM videos WHERE videos.id = asked.id LIMIT 1) AS video;

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

-- name: find_length
-- The seconds of a video; a foreign table need not know them, as above.
SELECT (SELECT duration_seconds FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 WHERE id = %(id)s;

-- name: check_videos
-- Nothing, or an error that names what serving lacks.
SELECT id, filename, mime_type, video_data, created_at
  FROM videos
 LIMIT 0;

-- name: retain_memory
-- Has the backend keep the memory that it frees, for the next slice, where PostgreSQL
-- runs on glibc: once a mapped block is freed, free memory up to twice its size stays
-- (mallopt(3), M_MMAP_THRESHOLD). Without, every slice is faulted in page by page.
SELECT octet_length(repeat(repeat(' ', 1000), 4000));

-- name: forget_statements
-- Has the backend plan all anew that it keeps: a table has changed under a plan.
DEALLOCATE ALL;
SELECT TRUE;
