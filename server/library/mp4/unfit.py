"""Why a file can't be played as HLS without encoding or copying it. No I/O."""

from __future__ import annotations

from typing import Final, Literal

UNFIT_CODES: Final = (
    "hls-malformed",
    "hls-cut-short",
    "hls-fragmented",
    "hls-encrypted",
    "hls-codec",
    "hls-entries",
    "hls-edits",
    "hls-no-key-first",
    "hls-cut-inside-gop",
    "hls-long-gop",
    "hls-short-track",
)
"""What an Unfit can have as its code; clips/README.md explains each."""


class Unfit(Exception):
    """A file that HLS can't play as it is; its text is a sentence with the remedy."""

    def __init__(
        self, code: str, reason: str, repair: Literal["fix", "transcode"] | None = None
    ) -> None:
        remedy = f"replace it with --{repair}" if repair else "export it again"
        super().__init__(f"The video {reason}: {remedy}.")
        self.code = code
        self.reason = reason  # goes on after the name of a file
        self.repair = repair  # what makes it fit; None: nothing
