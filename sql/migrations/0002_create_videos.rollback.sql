-- The links and the videos go, unless they were here before us.
DO $$
DECLARE
    step TEXT;
BEGIN
    FOR step IN
        SELECT undo
          FROM (VALUES
                   ('idx_questions_video', 'DROP INDEX IF EXISTS idx_questions_video'),
                   ('idx_definitions_video',
                    'DROP INDEX IF EXISTS idx_definitions_video'),
                   ('test_questions.video_id',
                    'ALTER TABLE test_questions DROP COLUMN video_id'),
                   ('definitions.video_id',
                    'ALTER TABLE definitions DROP COLUMN video_id'),
                   ('videos', 'DROP TABLE videos')
               ) AS made (name, undo)
         WHERE name NOT IN (SELECT name FROM bytereel_found)
    LOOP
        EXECUTE step;
    END LOOP;
END
$$;
