-- A file that is repaired arrives with other bytes than it had, so the digest of these
-- does not tell at the next import that it is here already.

ALTER TABLE videos
    ADD COLUMN source_sha256 BYTEA
        CONSTRAINT videos_source_sha256_check CHECK (octet_length(source_sha256) = 32);

COMMENT ON COLUMN videos.source_sha256 IS
    'Digest of the file before it was repaired; none if it was kept as it is';

-- It may be learned later, once; of the bytes nothing is read for that.
CREATE TRIGGER videos_keep_source
    BEFORE UPDATE OF source_sha256 ON videos
    FOR EACH ROW WHEN (
        OLD.source_sha256 IS NOT NULL
        AND NEW.source_sha256 IS DISTINCT FROM OLD.source_sha256
    )
    EXECUTE FUNCTION videos_refuse_change();
