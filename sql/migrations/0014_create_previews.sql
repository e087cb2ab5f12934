-- Pictures of a video's moments, its storyboard for scrub bars, its animation for lists.

-- Apart from thumbnails, which each video has one of. These are made when somebody asks for
-- them, and can be made again. Of a storyboard the cues are the WebVTT that belongs to its
-- image. The key finds the rows of a video, which its deletion takes along.
CREATE TABLE previews (
    video_id INTEGER REFERENCES videos (id) ON DELETE CASCADE,
    kind TEXT CHECK (kind IN ('frame', 'animation', 'storyboard')),
    at_ms INTEGER CHECK (at_ms >= 0),
    mime_type TEXT NOT NULL CHECK (mime_type IN ('image/jpeg', 'image/webp')),
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    image BYTEA NOT NULL CHECK (octet_length(image) <= 1000000),
    cues TEXT CHECK (octet_length(cues) <= 100000),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (video_id, kind, at_ms),
    CHECK ((cues IS NOT NULL) = (kind = 'storyboard'))
);
ALTER TABLE previews ALTER COLUMN image SET STORAGE EXTERNAL;
COMMENT ON COLUMN previews.at_ms IS
    'The moment of a frame, in milliseconds; 0 of the other kinds';
