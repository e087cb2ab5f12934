-- The counts of imports go; they stand nowhere else.
DROP TABLE import_results;
