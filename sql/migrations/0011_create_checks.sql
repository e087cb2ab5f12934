-- What was wrong with each video when it was last checked, so that lists can be searched by
-- it, and only what is new or was checked by older rules has to be checked again.

-- Nothing is referenced: that would lock the row of a damaged video, which cannot always be
-- read.
CREATE TABLE checks (
    video_id BIGINT PRIMARY KEY,
    checked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    rules TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BYTEA,
    flaws JSONB NOT NULL CHECK (jsonb_typeof(flaws) = 'array')
);
COMMENT ON COLUMN checks.rules IS
    'By which version of the rules, and within which limits';
COMMENT ON COLUMN checks.size_bytes IS
    'Of the video; with its digest, it tells whether the video has changed';
COMMENT ON COLUMN checks.flaws IS
    'Objects with code, severity, sentence, remedy and repair; empty if it is fine';
