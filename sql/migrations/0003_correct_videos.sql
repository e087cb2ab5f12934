-- The plan's table lets bytes change under an id, and sizes be wrong or missing.

-- The index of UNIQUE does the same.
DROP INDEX IF EXISTS idx_videos_filename;

-- Times get a zone, the server's own; bytes are not compressed any more, since a slice
-- of a compressed value costs unpacking all that is before it.
ALTER TABLE videos
    ALTER COLUMN created_at TYPE TIMESTAMPTZ,
    ALTER COLUMN updated_at TYPE TIMESTAMPTZ,
    ALTER COLUMN video_data SET STORAGE EXTERNAL,
    ADD COLUMN sha256 BYTEA;

-- Fill in what could be left out; of the bytes, only compressed ones are written anew.
UPDATE videos
   SET video_data = CASE WHEN pg_column_compression(video_data) IS NULL
                         THEN video_data ELSE video_data || ''::BYTEA END,
       sha256 = sha256(video_data),
       file_size_bytes = octet_length(video_data),
       mime_type = coalesce(mime_type, 'video/mp4'),
       created_at = coalesce(created_at, updated_at, now()),
       updated_at = coalesce(updated_at, created_at, now());

COMMENT ON COLUMN videos.sha256 IS 'Digest of video_data at import';

-- From here on no row lacks them or is wrong about them.
ALTER TABLE videos
    ALTER COLUMN sha256 SET NOT NULL,
    ALTER COLUMN file_size_bytes SET NOT NULL,
    ALTER COLUMN mime_type SET NOT NULL,
    ALTER COLUMN created_at SET NOT NULL,
    ALTER COLUMN updated_at SET NOT NULL,
    ADD CONSTRAINT videos_filename_check CHECK (filename ~ '^[^\x01-\x1f\x7f]+$'),
    ADD CONSTRAINT videos_mime_type_check
        CHECK (mime_type IN ('video/mp4', 'video/quicktime', 'video/webm')),
    ADD CONSTRAINT videos_file_size_bytes_check
        CHECK (file_size_bytes = octet_length(video_data)),
    ADD CONSTRAINT videos_duration_seconds_check CHECK (duration_seconds >= 0),
    ADD CONSTRAINT videos_sha256_check CHECK (octet_length(sha256) = 32);

-- Size and digest for rows that come without, as those of the plan's script do.
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
