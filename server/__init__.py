"""bytereel: short videos in PostgreSQL, any byte range of them over HTTP."""
