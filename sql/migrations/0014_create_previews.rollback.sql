-- The pictures go; they can be made again.
DROP TABLE previews;
