-- The captions go; export them first.
DROP TABLE captions;
