"""What a run saw, to read: tables, pictures, one page."""
