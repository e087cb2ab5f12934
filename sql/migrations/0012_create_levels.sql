-- Smaller encodings of a clip, called levels, for slow lines and small screens; and the
-- queue of those that are to be made.

-- A level is a video like any other to those who play it, and no clip of its own to those
-- who keep the library. Each row tells that itself, so that lists need no second table.
ALTER TABLE videos ADD COLUMN is_level BOOLEAN NOT NULL DEFAULT false;
COMMENT ON COLUMN videos.is_level IS
    'Made of another video by us; the table levels says of which';

-- What each level is, and of which video it was made.
CREATE TABLE levels (
    video_id INTEGER PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    original_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    bit_rate INTEGER NOT NULL CHECK (bit_rate > 0),
    frame_rate DOUBLE PRECISION NOT NULL CHECK (frame_rate > 0),
    codecs TEXT NOT NULL,
    UNIQUE (original_id, height),
    CHECK (video_id <> original_id)
);
COMMENT ON COLUMN levels.height IS 'Pixels as it is shown, as is the width';
COMMENT ON COLUMN levels.bit_rate IS 'Mean of the whole file, in bits per second';
COMMENT ON COLUMN levels.codecs IS 'As RFC 6381 has them, of picture and sound';

-- A level goes with its original: what is deleted there takes these rows along, and they
-- their videos.
CREATE FUNCTION levels_delete_video() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM videos WHERE id = OLD.video_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER levels_delete_video
    AFTER DELETE ON levels
    FOR EACH ROW EXECUTE FUNCTION levels_delete_video();

-- The same of the videos that levels were made of.
CREATE TABLE originals (
    video_id INTEGER PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    bit_rate INTEGER NOT NULL CHECK (bit_rate > 0),
    frame_rate DOUBLE PRECISION NOT NULL CHECK (frame_rate > 0),
    codecs TEXT NOT NULL
);

-- The levels that are to be made, that are being made, and what became of the others.
CREATE TABLE encodings (
    id SERIAL PRIMARY KEY,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    height INTEGER NOT NULL CHECK (height > 0),
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'encoding', 'ready', 'failed', 'cancelled',
                         'not-kept')),
    progress REAL NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    reason TEXT,
    level_id INTEGER UNIQUE REFERENCES videos (id) ON DELETE CASCADE,
    claims INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (video_id, height)
);
COMMENT ON COLUMN encodings.video_id IS 'The original';
COMMENT ON COLUMN encodings.height IS 'Pixels of the shorter side, as limits have it';
COMMENT ON COLUMN encodings.reason IS 'Why it failed, or was not kept';
COMMENT ON COLUMN encodings.claims IS
    'How often an encoder took it: one that was taken from an encoder is not its any more';
COMMENT ON COLUMN encodings.attempts IS
    'How many encoders took it since it was queued, and ended before it';
COMMENT ON COLUMN encodings.lease_until IS
    'Until then it is its encoder''s, who renews that; later another may take it';

-- Finds what is to be done.
CREATE INDEX idx_encodings_open ON encodings (id) WHERE state IN ('queued', 'encoding');

-- What became of all that was ever encoded, for those who watch it from outside.
CREATE TABLE encoding_results (
    result TEXT PRIMARY KEY,
    encodings BIGINT NOT NULL
);
