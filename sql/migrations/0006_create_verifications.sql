-- What verify has found about each video, so that it can go on where it was stopped.

-- Videos that were read whole and compared with their digest. Nothing is referenced: that
-- would lock the row of a damaged video, which cannot always be read.
CREATE TABLE verifications (
    video_id BIGINT PRIMARY KEY,
    verified_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    damage TEXT
);
COMMENT ON COLUMN verifications.damage IS 'What is wrong; none if the bytes are right';
