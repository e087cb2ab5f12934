"""The admin's side over HTTP: what is in the table, and what goes in and out."""
