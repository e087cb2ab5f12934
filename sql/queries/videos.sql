-- What serving reads. A relation named videos with the columns id, filename,
-- mime_type, video_data and created_at is all it needs: a table or a view. Any value may
-- stand there. Names are cut, for an answer's headers must stay short; of dates, those
-- from the year 1 are told that a bigint can hold (1e13 seconds are 316,000 years), which
-- leaves out infinity; of lengths, numbers below 100,000 seconds.

-- name: read_videos
-- For each read (a video, where to start, how many bytes) its place, what the video is
-- now and the bytes; a negative start counts from the end. No bytes, or no row, for a
-- video that is not there.
-- octet_length reads the TOAST pointer alone, substring just the rows of its slice.
-- All but the bytes is one column: each costs the reader as much as many bytes. LIMIT has
-- every video looked up by itself: the plan is kept, also when there are many more.
SELECT ROW(
           asked.place,
           left(filename::text, 255),
           left(mime_type::text, 100),
           octet_length(video_data),
           CASE WHEN extract(epoch FROM created_at) BETWEEN -62135596800 AND 1e13
                THEN floor(extract(epoch FROM created_at))::bigint END),
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
-- The newest videos that can be asked for, but levels, without their bytes, and their
-- length in seconds. A foreign table need not have one: then the name is found one level up, in
-- absent.
SELECT id::bigint,
       coalesce(left(filename::text, 255), ''),
       coalesce(left(mime_type::text, 100), ''),
       octet_length(video_data),
       CASE WHEN extract(epoch FROM created_at) BETWEEN -62135596800 AND 1e13
            THEN floor(extract(epoch FROM created_at))::bigint END,
       (SELECT round(
                   substring(
                       duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$'
                   )::numeric)::integer
          FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds, NULL::boolean AS is_level) AS absent
 WHERE id BETWEEN 1 AND 2147483647
   AND video_data IS NOT NULL
   AND (SELECT is_level FROM (SELECT video.*) AS own) IS NOT TRUE
 ORDER BY id DESC
 LIMIT %(limit)s;

-- name: find_length
-- The seconds of a video; a foreign table need not know them, as above.
SELECT (SELECT substring(
                   duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$'
               )::float
          FROM (SELECT video.*) AS own)
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 WHERE id = %(id)s;

-- name: list_longer
-- Those of these videos that last longer than so many seconds, as far as that is known.
SELECT id::bigint
  FROM videos AS video,
       (SELECT NULL::integer AS duration_seconds) AS absent
 WHERE id = ANY(%(ids)s::integer[])
   AND (SELECT substring(duration_seconds::text FROM '^[0-9]{1,5}(?:[.][0-9]+)?$')::float
          FROM (SELECT video.*) AS own) > %(seconds)s;

-- name: check_videos
-- Nothing, or an error that names what serving lacks, or which type it cannot read.
SELECT filename, mime_type, get_byte(video_data, 0), extract(epoch FROM created_at)
  FROM videos
 WHERE id = 0::bigint
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
