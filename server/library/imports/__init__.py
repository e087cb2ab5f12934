"""From a file to a row."""
