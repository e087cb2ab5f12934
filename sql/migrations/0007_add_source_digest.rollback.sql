-- Files that are repaired will be repaired again at each import.
DROP TRIGGER videos_keep_source ON videos;
ALTER TABLE videos DROP COLUMN source_sha256;
