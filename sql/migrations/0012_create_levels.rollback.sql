-- The levels go, with their videos; they can be made again.
DELETE FROM levels;
DROP TABLE encoding_results;
DROP TABLE encodings;
DROP TABLE originals;
DROP TABLE levels;
DROP FUNCTION levels_delete_video();
ALTER TABLE videos DROP COLUMN is_level;
