"""What came of replacing a clip, as it is told. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.files import show_text
from server.library.words.showing import swap_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.clips.check import Flaw
    from server.library.words.showing import Showing


class ReplacedClip(NamedTuple):
    """The new clip, the old one, and what shows the new one in its place."""

    status: str  # replaced or would-replace
    video_id: int | None  # None in a dry run, of a file that is not in the table
    filename: str
    bytes: int | None
    duration_seconds: int | None
    old_id: int
    old_filename: str | None
    old_deleted: bool
    links: list[Showing]  # what showed the old one; in a dry run, as it is now
    flaws: tuple[Flaw, ...]  # of the new one
    repaired: str | None  # fixed or transcoded

    def as_json(self) -> dict[str, object]:
        """Return it as json.dumps takes it, with the codes of the flaws."""
        links = [
            each._asdict() | {"videos": self.list_videos(each)} for each in self.links
        ]
        codes = [flaw.code for flaw in self.flaws]
        fields = self._asdict() | {"links": links, "warnings": codes}
        del fields["flaws"]
        return fields

    def list_videos(self, showing: Showing) -> list[int | None]:
        """Return what is shown at the end; None for a clip that has no id yet."""
        if self.video_id is not None:
            return [*swap_video(showing.videos, self.old_id, self.video_id)]
        return [None if each == self.old_id else each for each in showing.videos]


def render_replaced(clip: ReplacedClip) -> Iterator[str]:
    """Yield a line about a clip, and one for each link that moves."""
    number = "-" if clip.video_id is None else clip.video_id
    how = f"  ({clip.repaired})" if clip.repaired else ""
    old = f"{clip.old_id} {show_text(clip.old_filename or '')}"
    stays = "which goes" if clip.old_deleted else "which stays"
    yield (
        f"{clip.status}  {number}  {show_text(clip.filename)}{how}, in place of {old}, "
        f"{stays}"
    )
    for each in clip.links:
        word = show_text(each.word or "?")
        videos = ", ".join(
            "the new one" if video is None else str(video)
            for video in clip.list_videos(each)
        )
        yield f"  {each.kind} {each.id} “{word}” shows {videos}"
