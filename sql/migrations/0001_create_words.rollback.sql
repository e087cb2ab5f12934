-- The tables and indexes go, unless they were here before us.
DO $$
DECLARE
    step TEXT;
BEGIN
    FOR step IN
        SELECT undo
          FROM (VALUES
                   ('idx_saved_words_due', 'DROP INDEX IF EXISTS idx_saved_words_due'),
                   ('idx_questions_definition',
                    'DROP INDEX IF EXISTS idx_questions_definition'),
                   ('idx_definitions_lookup',
                    'DROP INDEX IF EXISTS idx_definitions_lookup'),
                   ('saved_words', 'DROP TABLE saved_words'),
                   ('test_questions', 'DROP TABLE test_questions'),
                   ('definitions', 'DROP TABLE definitions')
               ) AS made (name, undo)
         WHERE name NOT IN (SELECT name FROM bytereel_found)
    LOOP
        EXECUTE step;
    END LOOP;
END
$$;

-- Nothing asks for it any more.
DROP TABLE bytereel_found;
