-- How clips played where they were watched: sums of a day by video, level and network, and
-- nothing of who watched. The server deletes days that are over for a quarter of a year.

CREATE TABLE playback (
    day DATE,
    video_id INTEGER REFERENCES videos (id) ON DELETE CASCADE,
    level INTEGER CHECK (level >= 0),
    network TEXT,
    plays BIGINT NOT NULL,
    stalls BIGINT NOT NULL,
    stalled_ms BIGINT NOT NULL,
    watched_ms BIGINT NOT NULL,
    first_frame_ms BIGINT NOT NULL,
    rates BIGINT NOT NULL,
    kbit_per_s BIGINT NOT NULL,
    network_errors BIGINT NOT NULL,
    decode_errors BIGINT NOT NULL,
    unsupported_errors BIGINT NOT NULL,
    first_frames BIGINT[] NOT NULL,
    PRIMARY KEY (day, video_id, level, network)
);
COMMENT ON COLUMN playback.day IS 'In UTC';
COMMENT ON COLUMN playback.level IS 'Pixels of the level that was played; 0 for the video';
COMMENT ON COLUMN playback.rates IS 'How many plays the sum of kbit_per_s is of';
COMMENT ON COLUMN playback.first_frames IS
    'How many plays showed a picture within each of the times that the server knows';

-- Finds the rows of a video, which its deletion takes along.
CREATE INDEX idx_playback_video ON playback (video_id);
