"""FFmpeg, in a process of its own."""
