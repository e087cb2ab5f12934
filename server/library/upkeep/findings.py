"""What the doctor looks for, and what to do about each. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.clips.check import FAULT, NOTE, WARNING


class Finding(NamedTuple):
    """Something wrong, and what to do about it."""

    code: str
    severity: str
    sentence: str
    remedy: str


COUNTED = {"clips": "video", "uses": "link", "noted": "byte"}
"""What columns of the queries count, in the singular."""

# The query, and the finding for each of its rows: {…} is a column.
CHECKS = (
    (
        "find_damaged",
        Finding(
            "damaged",
            FAULT,
            "video {id} {filename} was damaged when it was verified ({damage})",
            "import its file under a new name and link that, or restore a backup",
        ),
    ),
    (
        "find_dangling_links",
        Finding(
            "dangling-link",
            FAULT,
            "{uses} to video {video_id}, which is gone",
            "bytereel unlink {video_id}",
        ),
    ),
    (
        "find_unsavable",
        Finding(
            "too-large-to-back-up",
            WARNING,
            "video {id} {filename} has {size}, more than pg_dump can write",
            "convert it to a smaller one, or back up with pg_basebackup",
        ),
    ),
    (
        "find_compressed",
        Finding(
            "compressed",
            FAULT,
            "{clips} in compressed form ({ids} …), which each seek unpacks",
            "in SQL: UPDATE videos SET video_data = video_data || ''::bytea "
            "WHERE pg_column_compression(video_data) IS NOT NULL",
        ),
    ),
    (
        "find_storage",
        Finding(
            "storage",
            FAULT,
            "video_data is stored as {storage}, so new videos may be compressed",
            "in SQL: ALTER TABLE videos ALTER COLUMN video_data SET STORAGE EXTERNAL",
        ),
    ),
    (
        "find_missing_triggers",
        Finding(
            "missing-trigger",
            FAULT,
            "the table videos lacks the trigger {name}",
            "create it as sql/schema.sql of bytereel does",
        ),
    ),
    (
        "find_disabled_triggers",
        Finding(
            "disabled-trigger",
            FAULT,
            "the trigger {name} of the table videos does not act",
            "in SQL: ALTER TABLE videos ENABLE TRIGGER {name}",
        ),
    ),
    (
        "find_wrong_sizes",
        Finding(
            "wrong-size",
            FAULT,
            "video {id} {filename} is noted as {noted} and has {real}",
            "in SQL: UPDATE videos SET file_size_bytes = octet_length(video_data) "
            "WHERE id = {id}",
        ),
    ),
    (
        "find_wrong_types",
        Finding(
            "wrong-type",
            FAULT,
            "{clips} of the type “{mime_type}”, which no player takes ({ids} …)",
            "set mime_type to video/mp4, video/quicktime or video/webm",
        ),
    ),
    (
        "find_odd_ids",
        Finding(
            "odd-id",
            FAULT,
            "video {id} {filename} cannot be asked for: ids go from 1 to 2147483647",
            "give it such an id",
        ),
    ),
    (
        "find_double_ids",
        Finding(
            "double-id",
            FAULT,
            "{copies} rows have the id {id}, and any of them may be served",
            "have the view return one row for each id",
        ),
    ),
    (
        "find_byteless",
        Finding(
            "no-bytes",
            FAULT,
            "video {id} {filename} has no bytes, so there is nothing to play",
            "import its file under a new name, or in SQL: "
            "DELETE FROM videos WHERE id = {id}",
        ),
    ),
    (
        "find_odd_dates",
        Finding(
            "odd-date",
            WARNING,
            "video {id} {filename} is dated {created}, which players are not told",
            "set created_at to when it came",
        ),
    ),
    (
        "find_undated",
        Finding(
            "no-date",
            NOTE,
            "{clips} without a date, which players are not told then ({ids} …)",
            "set created_at if it is known when they came",
        ),
    ),
    (
        "find_odd_lengths",
        Finding(
            "odd-length",
            WARNING,
            "video {id} {filename} is {length} seconds long, which cannot be true",
            "set duration_seconds to its length, or to NULL",
        ),
    ),
    (
        "find_odd_digests",
        Finding(
            "odd-digest",
            WARNING,
            "video {id} {filename} has a digest of {digest_bytes}, so it cannot be "
            "verified",
            "set sha256 to the 32 bytes of sha256(video_data), or to NULL",
        ),
    ),
    (
        "find_odd_cards",
        Finding(
            "odd-card",
            WARNING,
            "the saved word {saved_word_id} cannot have been learned to {held}, so its "
            "next answer counts as the first",
            "nothing, or in SQL: DELETE FROM practice_cards "
            "WHERE saved_word_id = {saved_word_id}",
        ),
    ),
    (
        "find_nameless",
        Finding(
            "no-name",
            WARNING,
            "video {id} has no file name",
            "bytereel rename {id} NAME",
        ),
    ),
    (
        "find_long_names",
        Finding(
            "long-name",
            WARNING,
            "video {id} has a name of {letters} characters, “{beginning} …”, of which "
            "players get 255",
            "bytereel rename {id} NAME",
        ),
    ),
    (
        "find_missing_indexes",
        Finding(
            "missing-index",
            WARNING,
            "no index of the table {relation} begins with {name}",
            "in SQL: CREATE INDEX CONCURRENTLY ON {relation} ({name})",
        ),
    ),
    (
        "find_missing_keys",
        Finding(
            "no-foreign-key",
            WARNING,
            "the table {name} may show videos that are gone",
            "in SQL: ALTER TABLE {name} ADD FOREIGN KEY (video_id) "
            "REFERENCES videos (id) ON DELETE SET NULL",
        ),
    ),
    (
        "list_filenames",
        Finding(
            "odd-name",
            WARNING,
            "video {id} has signs in its name that do not show, “{filename}”",
            "bytereel rename {id} NAME",
        ),
    ),
    (
        "find_bloat",
        Finding(
            "bloat",
            WARNING,
            "videos of {live_bytes} take {disk_bytes} on disk",
            "new videos fill it; to have it back, VACUUM FULL videos, which stops "
            "serving meanwhile and needs room for a copy",
        ),
    ),
    (
        "find_missing_statistics",
        Finding(
            "no-statistics",
            WARNING,
            "PostgreSQL knows nothing of what is in the table {name}",
            "in SQL: ANALYZE {name}",
        ),
    ),
    (
        "find_settings",
        Finding(
            "setting",
            WARNING,
            "the server has {name} = {setting}, with which videos get lost or slow",
            "set it back to PostgreSQL's default",
        ),
    ),
    (
        "find_checksums",
        Finding(
            "no-checksums",
            NOTE,
            "the server has data_checksums = {setting}, the default before PostgreSQL "
            "18, so it does not notice when a disk changes what is stored",
            "stop the server, run pg_checksums --enable -D with its data directory, "
            "and start it again; no setting does this",
        ),
    ),
    (
        "find_lag",
        Finding(
            "standby-lag",
            WARNING,
            "this standby is {seconds} s behind its primary",
            "see to the connection between them, or ask the primary",
        ),
    ),
)
