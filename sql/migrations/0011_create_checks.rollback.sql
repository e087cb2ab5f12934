-- All videos have to be checked again.
DROP TABLE checks;
