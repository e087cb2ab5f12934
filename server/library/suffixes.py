"""How the names of files end that are taken for videos. No I/O."""

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm")
"""In small letters; a name may have capitals."""
