-- The words, their meanings and their questions, for a database that has none yet.

-- What was here before us; rollbacks leave it in place.
CREATE TABLE bytereel_found AS
SELECT name
  FROM unnest(ARRAY[
           'definitions', 'test_questions', 'saved_words', 'videos',
           'idx_definitions_lookup', 'idx_questions_definition', 'idx_saved_words_due',
           'idx_videos_filename', 'idx_definitions_video', 'idx_questions_video'
       ]) AS name
 WHERE to_regclass(name) IS NOT NULL
 UNION ALL
SELECT attrelid::regclass || '.video_id'
  FROM pg_attribute
 WHERE attrelid IN (to_regclass('definitions'), to_regclass('test_questions'))
   AND attname = 'video_id';

COMMENT ON TABLE bytereel_found IS
    'Tables, columns and indexes older than the first migration; rollbacks keep them';

-- What a word means to those who learn it from their own language.
CREATE TABLE IF NOT EXISTS definitions (
    id SERIAL PRIMARY KEY,
    word TEXT NOT NULL,
    definition_text TEXT NOT NULL,
    learning_language TEXT NOT NULL,
    native_language TEXT NOT NULL
);

-- What can be asked about a definition.
CREATE TABLE IF NOT EXISTS test_questions (
    id SERIAL PRIMARY KEY,
    definition_id INTEGER NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    question_text TEXT NOT NULL,
    choices JSONB NOT NULL,
    correct_answer TEXT NOT NULL
);

-- Which words a learner keeps, and when each is due.
CREATE TABLE IF NOT EXISTS saved_words (
    id SERIAL PRIMARY KEY,
    user_id UUID NOT NULL,
    word TEXT NOT NULL,
    learning_language TEXT NOT NULL,
    native_language TEXT NOT NULL,
    next_review_date TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Finds the definitions of a saved word.
CREATE INDEX IF NOT EXISTS idx_definitions_lookup
    ON definitions (word, learning_language, native_language);

-- Finds the questions of a definition.
CREATE INDEX IF NOT EXISTS idx_questions_definition ON test_questions (definition_id);

-- Finds the words of a learner, the longest due first.
CREATE INDEX IF NOT EXISTS idx_saved_words_due
    ON saved_words (user_id, next_review_date, id);
