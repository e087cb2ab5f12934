-- How clips played where they were watched. A day is one of UTC.

-- name: save_playback
-- Adds a batch of numbers, unless it is there already: it is sent again when its answer
-- was lost. In the order of keys, so that two processes wait for each other at most. Of
-- levels only those that exist are kept: else anybody could fill the table. Old days go.
WITH dropped AS (
    DELETE FROM playback
     WHERE day < (now() AT TIME ZONE 'UTC')::date - 92
), turn AS (
    INSERT INTO view_senders AS known (id, batch)
    VALUES (%(sender)s::uuid, %(batch)s::bigint)
        ON CONFLICT (id) DO UPDATE
       SET (batch, sent_at) = (excluded.batch, excluded.sent_at)
     WHERE known.batch < excluded.batch
    RETURNING id
)
INSERT INTO playback AS known (
       day, video_id, level, network, plays, stalls, stalled_ms, watched_ms,
       first_frame_ms, rates, kbit_per_s, network_errors, decode_errors,
       unsupported_errors, first_frames)
SELECT day, video_id, level, network, plays, stalls, stalled_ms, watched_ms,
       first_frame_ms, rates, kbit_per_s, network_errors, decode_errors,
       unsupported_errors, first_frames::bigint[]
  FROM turn,
       unnest(%(days)s::date[],
              %(ids)s::integer[],
              %(levels)s::integer[],
              %(networks)s::text[],
              %(plays)s::bigint[],
              %(stalls)s::bigint[],
              %(stalled_ms)s::bigint[],
              %(watched_ms)s::bigint[],
              %(first_frame_ms)s::bigint[],
              %(rates)s::bigint[],
              %(kbit_per_s)s::bigint[],
              %(network_errors)s::bigint[],
              %(decode_errors)s::bigint[],
              %(unsupported_errors)s::bigint[],
              %(first_frames)s::text[]
       ) AS counted (day, video_id, level, network, plays, stalls, stalled_ms, watched_ms,
                     first_frame_ms, rates, kbit_per_s, network_errors, decode_errors,
                     unsupported_errors, first_frames)
 WHERE EXISTS (SELECT FROM videos WHERE videos.id = counted.video_id)
   AND (level = 0
        OR EXISTS (SELECT
                     FROM levels
                    WHERE original_id = counted.video_id
                      AND level IN (levels.height, levels.width)))
 ORDER BY day, video_id, level, network
    ON CONFLICT (day, video_id, level, network) DO UPDATE
   SET (plays, stalls, stalled_ms, watched_ms, first_frame_ms, rates, kbit_per_s,
        network_errors, decode_errors, unsupported_errors, first_frames) = (
           known.plays + excluded.plays,
           known.stalls + excluded.stalls,
           known.stalled_ms + excluded.stalled_ms,
           known.watched_ms + excluded.watched_ms,
           known.first_frame_ms + excluded.first_frame_ms,
           known.rates + excluded.rates,
           known.kbit_per_s + excluded.kbit_per_s,
           known.network_errors + excluded.network_errors,
           known.decode_errors + excluded.decode_errors,
           known.unsupported_errors + excluded.unsupported_errors,
           ARRAY(SELECT coalesce(pair.old, 0) + coalesce(pair.new, 0)
                   FROM unnest(known.first_frames, excluded.first_frames)
                        WITH ORDINALITY AS pair (old, new, place)
                  ORDER BY place))
RETURNING 1;

-- name: measure_playback
-- How clips played within the last 28 days: all together, or by video, network or level,
-- as the parameter says. Times to the first picture are taken to be spread evenly within a
-- bucket of the histogram, whose bounds are given. Of videos the 20 with most trouble.
WITH told AS (
    SELECT CASE %(by)s::text
               WHEN 'video' THEN video_id::text
               WHEN 'network' THEN network
               WHEN 'level' THEN level::text
               ELSE 'all'
           END AS part,
           playback.*
      FROM playback
     WHERE day > (now() AT TIME ZONE 'UTC')::date - 28
), summed AS (
    SELECT part,
           CASE WHEN %(by)s::text = 'video' THEN min(video_id) END AS video_id,
           sum(plays) AS plays,
           sum(stalls) AS stalls,
           sum(stalled_ms) AS stalled_ms,
           sum(watched_ms) AS watched_ms,
           sum(rates) AS rates,
           sum(kbit_per_s) AS kbit_per_s,
           sum(network_errors + decode_errors + unsupported_errors) AS errors
      FROM told
     GROUP BY part
), counted AS (
    SELECT part, place::integer AS place, sum(count) AS count
      FROM told, unnest(first_frames) WITH ORDINALITY AS bucket (count, place)
     GROUP BY part, place
    HAVING sum(count) > 0
), running AS (
    SELECT part,
           count,
           coalesce(bounds[place - 1], 0) AS low,
           bounds[least(place, cardinality(bounds))] AS high,
           sum(count) OVER (PARTITION BY part ORDER BY place) AS upto,
           sum(count) OVER (PARTITION BY part) AS total
      FROM counted, (SELECT %(bounds)s::integer[]) AS known (bounds)
), quantiles AS (
    SELECT part,
           share,
           min(total) AS started,
           round(min(low + (high - low)
                     * greatest(share * total - upto + count, 0) / count)) AS ms
      FROM running, (VALUES (0.5), (0.9)) AS wanted (share)
     WHERE upto >= share * total
     GROUP BY part, share
)
SELECT summed.video_id,
       coalesce(filename::text, summed.part) AS name,
       plays::bigint AS plays,
       (plays - coalesce(middle.started, 0))::bigint AS without_picture,
       middle.ms::bigint AS first_frame_median_ms,
       most.ms::bigint AS first_frame_p90_ms,
       stalls::bigint AS stalls,
       round(stalls / plays, 3)::float AS stalls_per_play,
       round(100 * stalled_ms / nullif(stalled_ms + watched_ms, 0), 2)::float
       AS stalled_percent,
       round(kbit_per_s / nullif(rates, 0))::bigint AS kbit_per_s,
       errors::bigint AS errors
  FROM summed
  LEFT JOIN quantiles AS middle ON middle.part = summed.part AND middle.share = 0.5
  LEFT JOIN quantiles AS most ON most.part = summed.part AND most.share = 0.9
  LEFT JOIN videos ON id = summed.video_id
 ORDER BY CASE WHEN %(by)s::text = 'video' THEN stalls + errors END DESC,
          plays DESC,
          summed.part
 LIMIT 20;
