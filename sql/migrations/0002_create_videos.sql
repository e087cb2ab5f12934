-- The videos and the links to them as first planned; some databases have them already.

-- An older version noted columns as the server printed them, which may be in quotes.
UPDATE bytereel_found SET name = replace(name, '"', '') WHERE name LIKE '"%';

-- The plan's table; the next migration corrects it, whoever made it.
CREATE TABLE IF NOT EXISTS videos (
    id SERIAL PRIMARY KEY,
    filename VARCHAR(255) NOT NULL UNIQUE,
    video_data BYTEA NOT NULL,
    mime_type VARCHAR(50) DEFAULT 'video/mp4',
    file_size_bytes INTEGER,
    duration_seconds INTEGER,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

-- A table of that name that is not the plan's could not be rolled back to what it was.
DO $$
DECLARE
    wanted TEXT;
BEGIN
    SELECT string_agg(name || ' ' || type, ', ' ORDER BY name)
      INTO wanted
      FROM (VALUES
               ('id', 'integer not null'),
               ('filename', 'character varying(255) not null'),
               ('video_data', 'bytea not null'),
               ('mime_type', 'character varying(50)'),
               ('file_size_bytes', 'integer'),
               ('duration_seconds', 'integer'),
               ('created_at', 'timestamp without time zone'),
               ('updated_at', 'timestamp without time zone')
            EXCEPT
            SELECT attname::TEXT,
                   concat(format_type(atttypid, atttypmod),
                          CASE WHEN attnotnull THEN ' not null' END)
              FROM pg_attribute
             WHERE attrelid = 'videos'::regclass
           ) AS missing (name, type);
    IF wanted IS NOT NULL THEN
        RAISE EXCEPTION 'there is a table videos already and it is another one than '
            'planned: rename it, or give it exactly these columns: %', wanted;
    END IF;
END
$$;

-- The video of a definition.
ALTER TABLE definitions
    ADD COLUMN IF NOT EXISTS video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;

-- The video of a question.
ALTER TABLE test_questions
    ADD COLUMN IF NOT EXISTS video_id INTEGER REFERENCES videos (id) ON DELETE SET NULL;

-- Finds the definitions with a video, which its deletion sets to none.
CREATE INDEX IF NOT EXISTS idx_definitions_video ON definitions (video_id);

-- Finds the questions with a video, which its deletion sets to none.
CREATE INDEX IF NOT EXISTS idx_questions_video ON test_questions (video_id);

-- Describe what this file has made; what was here before keeps its own words.
DO $$
DECLARE
    step TEXT;
BEGIN
    FOR step IN
        SELECT format('COMMENT ON %s IS %L', object, text)
          FROM (VALUES
                   ('videos', 'TABLE videos',
                    'Video files stored as binary blobs for practice mode'),
                   ('videos', 'COLUMN videos.video_data',
                    'MP4 video file as binary data'),
                   ('videos', 'COLUMN videos.filename',
                    'Original filename for reference'),
                   ('definitions.video_id', 'COLUMN definitions.video_id',
                    'Optional video to show with this definition'),
                   ('test_questions.video_id', 'COLUMN test_questions.video_id',
                    'Optional video to use as question prompt')
               ) AS made (name, object, text)
         WHERE name NOT IN (SELECT name FROM bytereel_found)
    LOOP
        EXECUTE step;
    END LOOP;
END
$$;
