-- Answers and what the scheduler knows of a word; an app may have a table reviews of its
-- own already, so both have longer names.

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
