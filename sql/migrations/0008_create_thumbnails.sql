-- A picture of each video, for lists and for players that have not begun.

-- Apart from the videos, so that serving these reads no wider rows. The bytes are a JPEG's
-- or the like and would not compress.
CREATE TABLE thumbnails (
    video_id INTEGER PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    mime_type TEXT NOT NULL CHECK (mime_type IN ('image/jpeg', 'image/webp')),
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    image BYTEA NOT NULL CHECK (octet_length(image) <= 1000000),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
ALTER TABLE thumbnails ALTER COLUMN image SET STORAGE EXTERNAL;
COMMENT ON COLUMN thumbnails.created_at IS
    'Another time is another picture to those who keep it';
