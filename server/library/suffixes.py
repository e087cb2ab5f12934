"""How the names of files end that are taken for videos. No I/O."""

FORMAT_SUFFIXES = {
    "mov": (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v"),
    "matroska": (".mkv", ".webm"),
    "avi": (".avi", ".divx"),
    "flv": (".flv",),
    "mpegts": (".ts", ".m2ts", ".mts", ".m2t"),
    "mpeg": (".mpg", ".mpeg", ".vob"),
    "asf": (".wmv", ".asf"),
    "ogg": (".ogv", ".ogm"),
}
"""By FFmpeg's names of the formats, of which ffmpeg/probe.py opens no others."""

VIDEO_SUFFIXES = tuple(
    suffix for suffixes in FORMAT_SUFFIXES.values() for suffix in suffixes
)
"""In small letters; a name may have capitals."""

TEXT_SUFFIXES = (".ts", ".mts")
"""Those that sources of TypeScript have too."""
