"""The codes of all flaws that a clip can have; README.md explains each. No I/O."""

from __future__ import annotations

from typing import Final

from server.library.mp4.unfit import UNFIT_CODES

OF_FILE: Final = (
    "unreadable",
    "not-mp4",
    "truncated",
    "damaged",
    "overlong-box",
    "tail",
    "fragmented",
    "moov-after-mdat",
    "encrypted",
    "extra-track",
    "external-media",
    "data-reference",
    "track-disabled",
    "sample-tables",
    "chunk-table",
    "sample-times",
    "header-times",
    "edit-list-shift",
    "edit-list-length",
    "edit-list-empty",
    "over-duration",
    "over-size",
    "not-checked",
    "not-repaired",
)
OF_PICTURE: Final = (
    "no-video",
    "zero-duration",
    "several-video-tracks",
    "codec",
    "avc3-tag",
    "hev1-tag",
    "in-band-parameters",
    "sample-entries",
    "picture-size",
    "profile",
    "level",
    "chroma",
    "bit-depth",
    "odd-dimensions",
    "over-resolution",
    "over-frame-rate",
    "rotated",
    "mirrored",
    "clean-aperture",
    "interlaced",
    "hdr",
    "dolby-vision",
    "no-key-frame-at-start",
    "open-gop-at-start",
    "key-frame-marks",
    "key-frame-interval",
    "damaged-pictures",
    "undecodable",
)
OF_SOUND: Final = (
    "audio-codec",
    "audio-config",
    "audio-entries",
    "several-audio-tracks",
    "damaged-sound",
)
CODES: Final = (*OF_FILE, *OF_PICTURE, *OF_SOUND, *UNFIT_CODES)
