-- The captions of each video, one text for each language, apart from the videos: they are
-- small, and may be edited while the bytes of a video never change.

CREATE TABLE captions (
    video_id INTEGER REFERENCES videos (id) ON DELETE CASCADE,
    language TEXT CHECK (
        language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$' AND length(language) <= 35),
    vtt TEXT NOT NULL CHECK (octet_length(vtt) <= 1048576),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (video_id, language)
);
COMMENT ON COLUMN captions.language IS 'A tag of BCP 47, such as en or pt-BR';
COMMENT ON COLUMN captions.vtt IS 'WebVTT in which nothing but cues stands';
