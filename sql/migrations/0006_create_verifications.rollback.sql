-- Verifying starts anew.
DROP TABLE verifications;
