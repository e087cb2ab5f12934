-- The schema as of now, to read; tests compare it with what the migrations make.

-- What a word means to those who learn it from their own language.
CREATE TABLE definitions (
    id SERIAL PRIMARY KEY,
    word TEXT NOT NULL,
    definition_text TEXT NOT NULL,
    learning_language TEXT NOT NULL,
    native_language TEXT NOT NULL
);

-- Finds the definitions of a saved word.
CREATE INDEX idx_definitions_lookup
    ON definitions (word, learning_language, native_language);

-- What can be asked about a definition.
CREATE TABLE test_questions (
    id SERIAL PRIMARY KEY,
    definition_id INTEGER NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    question_text TEXT NOT NULL,
    choices JSONB NOT NULL,
    correct_answer TEXT NOT NULL
);

-- Finds the questions of a definition.
CREATE INDEX idx_questions_definition ON test_questions (definition_id);

-- Which words a learner keeps, and when each is due.
CREATE TABLE saved_words (
    id SERIAL PRIMARY KEY,
    user_id UUID NOT NULL,
    word TEXT NOT NULL,
    learning_language TEXT NOT NULL,
    native_language TEXT NOT NULL,
    next_review_date TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Finds the words of a learner, the longest due first.
CREATE INDEX idx_saved_words_due ON saved_words (user_id, next_review_date, id);

-- The videos. EXTERNAL keeps the bytes uncompressed, so that a slice of them is cheap.
CREATE TABLE videos (
    id SERIAL PRIMARY KEY,
    filename VARCHAR(255) NOT NULL UNIQUE
        CONSTRAINT videos_filename_check CHECK (filename ~ '^[^\x01-\x1f\x7f]+$'),
    video_data BYTEA NOT NULL,
    mime_type VARCHAR(50) NOT NULL DEFAULT 'video/mp4'
        CONSTRAINT videos_mime_type_check
        CHECK (mime_type IN ('video/mp4', 'video/quicktime', 'video/webm')),
    file_size_bytes INTEGER NOT NULL
        CONSTRAINT videos_file_size_bytes_check
        CHECK (file_size_bytes = octet_length(video_data)),
    duration_seconds INTEGER
        CONSTRAINT videos_duration_seconds_check CHECK (duration_seconds >= 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    sha256 BYTEA NOT NULL
        CONSTRAINT videos_sha256_check CHECK (octet_length(sha256) = 32),
    source_sha256 BYTEA
        CONSTRAINT videos_source_sha256_check CHECK (octet_length(source_sha256) = 32)
);

-- PostgreSQL 16 and later take this in CREATE TABLE, 14 and 15 do not.
ALTER TABLE videos ALTER COLUMN video_data SET STORAGE EXTERNAL;

COMMENT ON TABLE videos IS 'Video files stored as binary blobs for practice mode';
COMMENT ON COLUMN videos.video_data IS 'MP4 video file as binary data';
COMMENT ON COLUMN videos.filename IS 'Original filename for reference';
COMMENT ON COLUMN videos.sha256 IS 'Digest of video_data at import';
COMMENT ON COLUMN videos.source_sha256 IS
    'Digest of the file before it was repaired; none if it was kept as it is';

-- Size and digest for rows that come without.
CREATE FUNCTION videos_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.file_size_bytes := coalesce(NEW.file_size_bytes, octet_length(NEW.video_data));
    NEW.sha256 := coalesce(NEW.sha256, sha256(NEW.video_data));
    RETURN NEW;
END
$$;

-- The condition spares complete rows the copies that PL/pgSQL makes of a large value.
CREATE TRIGGER videos_fill
    BEFORE INSERT ON videos
    FOR EACH ROW WHEN (NEW.sha256 IS NULL OR NEW.file_size_bytes IS NULL)
    EXECUTE FUNCTION videos_fill();

-- Phones and edges keep a video for a year by its id.
CREATE FUNCTION videos_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the bytes of video % never change, nor its id and digest: '
        'import the new file under a new name, and link to the new id', OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Only a statement that names one of these columns has them compared, and so read.
CREATE TRIGGER videos_refuse_change
    BEFORE UPDATE OF id, video_data, sha256 ON videos
    FOR EACH ROW WHEN (
        OLD.id <> NEW.id OR OLD.sha256 <> NEW.sha256 OR OLD.video_data <> NEW.video_data
    )
    EXECUTE FUNCTION videos_refuse_change();

-- It may be learned later, once; of the bytes nothing is read for that.
CREATE TRIGGER videos_keep_source
    BEFORE UPDATE OF source_sha256 ON videos
    FOR EACH ROW WHEN (
        OLD.source_sha256 IS NOT NULL
        AND NEW.source_sha256 IS DISTINCT FROM OLD.source_sha256
    )
    EXECUTE FUNCTION videos_refuse_change();

-- The time of the last change, whoever makes it.
CREATE FUNCTION videos_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

-- Passes the bytes on as a pointer: nothing of them is read.
CREATE TRIGGER videos_touch
    BEFORE UPDATE ON videos
    FOR EACH ROW EXECUTE FUNCTION videos_touch();

-- The video of a definition.
ALTER TABLE definitions
    ADD COLUMN video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;
COMMENT ON COLUMN definitions.video_id IS 'Optional video to show with this definition';

-- Finds the definitions with a video, which its deletion sets to none.
CREATE INDEX idx_definitions_video ON definitions (video_id);

-- The video of a question.
ALTER TABLE test_questions
    ADD COLUMN video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;
COMMENT ON COLUMN test_questions.video_id IS 'Optional video to use as question prompt';

-- Finds the questions with a video, which its deletion sets to none.
CREATE INDEX idx_questions_video ON test_questions (video_id);

-- What FSRS knows of a saved word: none before its first answer. The due date itself is
-- next_review_date of the word.
CREATE TABLE practice_cards (
    saved_word_id BIGINT PRIMARY KEY REFERENCES saved_words (id) ON DELETE CASCADE,
    reviews INTEGER NOT NULL,
    state SMALLINT NOT NULL,
    step SMALLINT,
    stability DOUBLE PRECISION NOT NULL,
    difficulty DOUBLE PRECISION NOT NULL,
    last_review TIMESTAMPTZ NOT NULL
);
COMMENT ON COLUMN practice_cards.reviews IS
    'How many answers went in; grows with each, so it tells whether one came between';

-- Every answer once. Nothing is referenced: the history outlives words and questions.
CREATE TABLE practice_reviews (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    saved_word_id BIGINT NOT NULL,
    question_id BIGINT NOT NULL,
    answer TEXT NOT NULL,
    correct_answer TEXT NOT NULL,
    reviewed_at TIMESTAMPTZ NOT NULL,
    next_review_date TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON COLUMN practice_reviews.id IS
    'Made by who sends it, so that sending it again changes nothing';

-- The videos of a definition behind its first.
CREATE TABLE definition_videos (
    definition_id BIGINT REFERENCES definitions (id) ON DELETE CASCADE,
    position INTEGER,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    PRIMARY KEY (definition_id, position),
    UNIQUE (definition_id, video_id)
);

-- Finds the definitions that show a video, which its deletion takes from them.
CREATE INDEX idx_definition_videos_video ON definition_videos (video_id);

-- The videos of a question behind its first.
CREATE TABLE question_videos (
    question_id BIGINT REFERENCES test_questions (id) ON DELETE CASCADE,
    position INTEGER,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    PRIMARY KEY (question_id, position),
    UNIQUE (question_id, video_id)
);

-- Finds the questions that show a video, which its deletion takes from them.
CREATE INDEX idx_question_videos_video ON question_videos (video_id);

-- Videos that were read whole and compared with their digest. Nothing is referenced: that
-- would lock the row of a damaged video, which cannot always be read.
CREATE TABLE verifications (
    video_id BIGINT PRIMARY KEY,
    verified_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    damage TEXT
);
COMMENT ON COLUMN verifications.damage IS 'What is wrong; none if the bytes are right';

-- A picture of each video; apart from these, so that serving reads no wider rows. The
-- bytes are a JPEG's or the like and would not compress.
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

-- How often each video was watched, and how far. The key finds the rows of a video, which
-- its deletion takes along.
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

-- What became of the files that were ever imported, for those who watch it from outside.
CREATE TABLE import_results (
    result TEXT PRIMARY KEY,
    files BIGINT NOT NULL
);

-- What was wrong with each video when it was last checked. Nothing is referenced: that
-- would lock the row of a damaged video, which cannot always be read.
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

-- The captions of each video, one text for each language. The key finds those of a video,
-- which its deletion takes along.
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

-- What was here before the first migration; rollbacks leave it in place.
CREATE TABLE bytereel_found (name TEXT);
COMMENT ON TABLE bytereel_found IS
    'Tables, columns and indexes older than the first migration; rollbacks keep them';

-- Which migrations the database has.
CREATE TABLE bytereel_migrations (
    name TEXT PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- A database made from this file has all of them.
INSERT INTO bytereel_migrations (name)
VALUES ('0001_create_words'), ('0002_create_videos'), ('0003_correct_videos'),
       ('0004_create_reviews'), ('0005_add_further_videos'),
       ('0006_create_verifications'), ('0007_add_source_digest'),
       ('0008_create_thumbnails'), ('0009_create_views'),
       ('0010_create_import_results'), ('0011_create_checks'),
       ('0012_create_levels'), ('0013_create_captions'),
       ('0014_create_previews'), ('0015_create_playback');
