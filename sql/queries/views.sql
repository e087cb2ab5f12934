-- How often videos were watched, and how far. A day is one of UTC.

-- name: save_views
-- Adds a batch of numbers, unless it is there already: it is sent again when its answer
-- was lost. In the order of ids, so that two processes wait for each other at most; at the
-- first batch what is left of processes long gone is dropped.
WITH dropped AS (
    DELETE FROM view_senders
     WHERE %(batch)s::bigint = 1
       AND sent_at < now() - interval '28 days'
), turn AS (
    INSERT INTO view_senders AS known (id, batch)
    VALUES (%(sender)s::uuid, %(batch)s::bigint)
        ON CONFLICT (id) DO UPDATE
       SET (batch, sent_at) = (excluded.batch, excluded.sent_at)
     WHERE known.batch < excluded.batch
    RETURNING id
)
INSERT INTO video_views AS known (video_id, day, started, quarter, half, completed)
SELECT counted.*
  FROM turn,
       unnest(%(ids)s::integer[],
              %(days)s::date[],
              %(started)s::bigint[],
              %(quarter)s::bigint[],
              %(half)s::bigint[],
              %(completed)s::bigint[]
       ) AS counted (video_id, day, started, quarter, half, completed)
 WHERE EXISTS (SELECT FROM videos WHERE videos.id = counted.video_id)
 ORDER BY video_id, day
    ON CONFLICT (video_id, day) DO UPDATE
   SET (started, quarter, half, completed) = (
           known.started + excluded.started,
           known.quarter + excluded.quarter,
           known.half + excluded.half,
           known.completed + excluded.completed)
RETURNING 1;

-- name: count_views
-- Columns: days, started, quarter, half, completed, completed_percent. Three rows: today,
-- the last 7 days and the last 28 with today.
SELECT days,
       coalesce(sum(started), 0)::bigint AS started,
       coalesce(sum(quarter), 0)::bigint AS quarter,
       coalesce(sum(half), 0)::bigint AS half,
       coalesce(sum(completed), 0)::bigint AS completed,
       round(100 * sum(completed) / nullif(sum(started), 0), 1)::float
       AS completed_percent
  FROM (VALUES (1), (7), (28)) AS period (days)
  LEFT JOIN video_views
    ON day > (now() AT TIME ZONE 'UTC')::date - days
 GROUP BY days
 ORDER BY days;

-- name: video_views_of
-- Columns: started, quarter, half, completed. One row: all that was ever counted of a video.
SELECT coalesce(sum(started), 0)::bigint AS started,
       coalesce(sum(quarter), 0)::bigint AS quarter,
       coalesce(sum(half), 0)::bigint AS half,
       coalesce(sum(completed), 0)::bigint AS completed
  FROM video_views
 WHERE video_id = %(video_id)s;

-- name: list_most_viewed
-- The videos that were watched most often within the last 28 days.
SELECT id,
       filename,
       sum(started)::bigint AS started,
       sum(completed)::bigint AS completed,
       round(100 * sum(completed) / nullif(sum(started), 0), 1)::float
       AS completed_percent
  FROM video_views
  JOIN videos ON id = video_id
 WHERE day > (now() AT TIME ZONE 'UTC')::date - 28
 GROUP BY id, filename
HAVING sum(started) > 0
 ORDER BY sum(started) DESC, id
 LIMIT 20;
