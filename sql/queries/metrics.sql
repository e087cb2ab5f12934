-- What is measured of the library, cheaply: of a video only its TOAST pointer is read.

-- name: measure_library
-- How many videos there are, their bytes, and the table's with its indexes; a view has none.
SELECT count(video_data),
       coalesce(sum(octet_length(video_data)), 0)::bigint,
       pg_total_relation_size('videos')
  FROM videos;

-- name: list_import_results
-- What became of the files that were ever imported, and of how many.
SELECT result, files
  FROM import_results
 ORDER BY result;
