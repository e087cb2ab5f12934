"""Where a video's bytes come from: memory, or PostgreSQL."""
