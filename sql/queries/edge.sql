-- Which videos an edge should have. Of a value that is kept apart, octet_length reads
-- the pointer alone. What cannot be asked for, for want of bytes or an id, is left out.

-- name: list_to_warm
-- All videos with their sizes, the newest first; those of the last days if days is set.
SELECT id AS video_id, octet_length(video_data) AS size
  FROM videos
 WHERE (%(days)s::float IS NULL
        OR created_at > now() - %(days)s::float * interval '1 day')
   AND id BETWEEN 1 AND 2147483647
   AND video_data IS NOT NULL
 ORDER BY created_at DESC NULLS LAST, id DESC;

-- name: list_to_warm_by_views
-- The videos that were started most often, with their sizes.
SELECT id AS video_id, octet_length(video_data) AS size
  FROM videos
  JOIN (SELECT video_id, sum(started) AS started
          FROM video_views
         GROUP BY video_id
       ) AS views ON video_id = id
 WHERE id BETWEEN 1 AND 2147483647
   AND video_data IS NOT NULL
 ORDER BY started DESC, id
 LIMIT %(count)s;
