-- Back to the plan's table; bytes, sizes and times stay as they are.
DROP TRIGGER videos_touch ON videos;
DROP TRIGGER videos_refuse_change ON videos;
DROP TRIGGER videos_fill ON videos;
DROP FUNCTION videos_touch();
DROP FUNCTION videos_refuse_change();
DROP FUNCTION videos_fill();

ALTER TABLE videos
    DROP CONSTRAINT videos_sha256_check,
    DROP CONSTRAINT videos_duration_seconds_check,
    DROP CONSTRAINT videos_file_size_bytes_check,
    DROP CONSTRAINT videos_mime_type_check,
    DROP CONSTRAINT videos_filename_check,
    ALTER COLUMN updated_at DROP NOT NULL,
    ALTER COLUMN created_at DROP NOT NULL,
    ALTER COLUMN mime_type DROP NOT NULL,
    ALTER COLUMN file_size_bytes DROP NOT NULL,
    DROP COLUMN sha256,
    ALTER COLUMN video_data SET STORAGE EXTENDED,
    ALTER COLUMN updated_at TYPE TIMESTAMP,
    ALTER COLUMN created_at TYPE TIMESTAMP;

-- The plan's second index on the name, where it was.
DO $$
BEGIN
    IF EXISTS (SELECT FROM bytereel_found WHERE name = 'idx_videos_filename') THEN
        CREATE INDEX idx_videos_filename ON videos (filename);
    END IF;
END
$$;
