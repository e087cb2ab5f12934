-- What practising reads and writes.

-- name: list_due
-- The due words of a learner, the longest due first, at most so many: a row for each of
-- their definitions and its questions, and on each how many due words were passed over
-- for lack of a definition; with no word at all, a row of that number alone.
-- LATERAL with LIMIT or OFFSET 0 holds the planner to a lookup a word, never a scan.
WITH batch AS (
    SELECT saved.id,
           saved.word,
           saved.learning_language,
           saved.native_language,
           saved.next_review_date
      FROM saved_words AS saved
     CROSS JOIN LATERAL (
               SELECT
                 FROM definitions
                WHERE definitions.word = saved.word
                  AND definitions.learning_language = saved.learning_language
                  AND definitions.native_language = saved.native_language
                  AND definition_text IS NOT NULL
                LIMIT 1
           ) AS defined
     WHERE saved.user_id = %(user_id)s
       AND saved.next_review_date <= now()
     ORDER BY saved.next_review_date, saved.id
     LIMIT %(count)s
), seen AS (
    -- Where the search for words ended: at the last one, or at the end of what is due.
    SELECT count(*) AS taken,
           CASE WHEN count(*) < %(count)s THEN now()
                ELSE max(next_review_date)
           END AS until,
           CASE WHEN count(*) < %(count)s THEN 9223372036854775807
                ELSE (array_agg(id ORDER BY next_review_date DESC, id DESC))[1]
           END AS id
      FROM batch
), passed AS (
    SELECT count(*) - (SELECT taken FROM seen) AS over
      FROM saved_words
     WHERE user_id = %(user_id)s
       AND (next_review_date, id) <= (SELECT until, id FROM seen)
)
SELECT passed.over AS passed_over,
       batch.id AS saved_word_id,
       batch.word,
       definition.id AS definition_id,
       definition.definition_text,
       definition.videos AS definition_videos,
       question.id AS question_id,
       question.question_text,
       question.videos AS question_videos,
       question.choices,
       question.correct_answer
  FROM passed
  LEFT JOIN batch ON TRUE
  LEFT JOIN LATERAL (
           SELECT id,
                  definition_text,
                  array_remove(
                      one.video_id || ARRAY(
                          SELECT video_id
                            FROM definition_videos
                           WHERE definition_id = one.id
                             AND video_id IS DISTINCT FROM one.video_id
                           ORDER BY position),
                      NULL) AS videos
             FROM definitions AS one
            WHERE one.word = batch.word
              AND one.learning_language = batch.learning_language
              AND one.native_language = batch.native_language
              AND definition_text IS NOT NULL
           OFFSET 0
       ) AS definition ON TRUE
  LEFT JOIN LATERAL (
           SELECT id,
                  question_text,
                  array_remove(
                      one.video_id || ARRAY(
                          SELECT video_id
                            FROM question_videos
                           WHERE question_id = one.id
                             AND video_id IS DISTINCT FROM one.video_id
                           ORDER BY position),
                      NULL) AS videos,
                  choices,
                  correct_answer
             FROM test_questions AS one
            WHERE definition_id = definition.id
           OFFSET 0
       ) AS question ON TRUE
 ORDER BY batch.next_review_date, batch.id, definition.id, question.id;

-- name: list_learners
-- Those who keep words, and how many of these are due. It counts the whole table: only
-- the demo asks for it.
SELECT user_id::text,
       count(*) FILTER (WHERE next_review_date <= now()) AS due
  FROM saved_words
 GROUP BY user_id
 ORDER BY user_id
 LIMIT %(limit)s;

-- name: find_review
-- One row, of what there is: the review of this id if it came before; the right answer if
-- the question is about a word that the learner keeps; the state of that word, of which
-- only the number is told if FSRS can't go on from it; the time.
SELECT now(),
       known.user_id::text AS known_user_id,
       known.saved_word_id AS known_saved_word_id,
       known.question_id AS known_question_id,
       known.answer AS known_answer,
       known.correct_answer AS known_correct_answer,
       known.next_review_date AS known_next_review_date,
       asked.correct_answer,
       card.reviews,
       sound.state,
       sound.step,
       sound.stability,
       sound.difficulty,
       sound.last_review
  FROM (VALUES (%(review_id)s::uuid)) AS review (id)
  LEFT JOIN practice_reviews AS known ON known.id = review.id
  LEFT JOIN (
           SELECT saved.id, question.correct_answer::text
             FROM saved_words AS saved
             JOIN definitions AS definition
               ON definition.word = saved.word
              AND definition.learning_language = saved.learning_language
              AND definition.native_language = saved.native_language
             JOIN test_questions AS question
               ON question.definition_id = definition.id
            WHERE saved.id = %(saved_word_id)s
              AND saved.user_id = %(user_id)s
              AND question.id = %(question_id)s
       ) AS asked ON TRUE
  LEFT JOIN practice_cards AS card ON card.saved_word_id = asked.id
  LEFT JOIN LATERAL (
           SELECT card.*
            WHERE card.state IN (1, 2, 3)
              AND (card.state = 2 OR card.step >= 0)
              AND card.stability > 0
              AND card.stability <= 1000000
              AND card.difficulty BETWEEN 1 AND 10
              AND card.last_review BETWEEN '1900-01-01' AND now() + interval '1 day'
       ) AS sound ON TRUE;

-- name: save_review
-- Keeps the review, the state and the date together; no row and no change if another
-- review of the word came between, or this one before.
WITH card AS (
    INSERT INTO practice_cards AS card (
               saved_word_id, reviews, state, step, stability, difficulty, last_review)
    SELECT %(saved_word_id)s,
           %(reviews)s + 1,
           %(state)s,
           %(step)s,
           %(stability)s,
           %(difficulty)s,
           %(last_review)s
     WHERE NOT EXISTS (SELECT FROM practice_reviews WHERE id = %(review_id)s)
        ON CONFLICT (saved_word_id) DO UPDATE
       SET (reviews, state, step, stability, difficulty, last_review) = (
               excluded.reviews,
               excluded.state,
               excluded.step,
               excluded.stability,
               excluded.difficulty,
               excluded.last_review)
     WHERE card.reviews = %(reviews)s
    RETURNING saved_word_id
), word AS (
    UPDATE saved_words
       SET next_review_date = %(next_review_date)s
      FROM card
     WHERE id = card.saved_word_id
), review AS (
    INSERT INTO practice_reviews (
               id, user_id, saved_word_id, question_id,
               answer, correct_answer, reviewed_at, next_review_date)
    SELECT %(review_id)s,
           %(user_id)s,
           saved_word_id,
           %(question_id)s,
           %(answer)s,
           %(correct_answer)s,
           %(reviewed_at)s,
           %(next_review_date)s
      FROM card
    RETURNING id
)
SELECT id
  FROM review
 UNION ALL
-- An error, that undoes all, where a trigger has kept the review out.
SELECT ('none: a trigger of practice_reviews refused word ' || saved_word_id)::uuid
  FROM card
 WHERE NOT EXISTS (SELECT FROM review);
