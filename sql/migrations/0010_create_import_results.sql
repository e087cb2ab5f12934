-- What became of the files that were ever imported, for those who watch it from outside.

CREATE TABLE import_results (
    result TEXT PRIMARY KEY,
    files BIGINT NOT NULL
);
