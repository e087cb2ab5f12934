-- The answers and the scheduler's state go; the due dates stay with the words.
DROP TABLE practice_reviews;
DROP TABLE practice_cards;
