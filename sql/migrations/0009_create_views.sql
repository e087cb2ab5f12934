-- How often each video was watched, and how far: numbers a day, and nothing of viewers.

-- The key finds the rows of a video, which its deletion takes along.
CREATE TABLE video_views (
    video_id INTEGER REFERENCES videos (id) ON DELETE CASCADE,
    day DATE,
    started BIGINT NOT NULL DEFAULT 0,
    quarter BIGINT NOT NULL DEFAULT 0,
    half BIGINT NOT NULL DEFAULT 0,
    completed BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (video_id, day)
);
COMMENT ON COLUMN video_views.day IS 'In UTC';

-- The last batch of numbers that came from each process: one whose answer was lost is
-- sent again, and must not be counted twice.
CREATE TABLE view_senders (
    id UUID PRIMARY KEY,
    batch BIGINT NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
