"""Which variants the master playlist lists: the video, and the levels made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.hls.files import Files

if TYPE_CHECKING:
    from server.hls.layout import Unfit
    from server.hls.layouts import Layouts
    from server.hls.playlists import Variant
    from server.model import Video
    from server.reading.store import Store


async def list_variants(
    store: Store, layouts: Layouts, video: Video
) -> list[Variant] | Unfit:
    """Return what players may choose from, the first to start with; Unfit if nothing.

    Raises VideoChanged, and what the reading raises.
    """
    made = await layouts.find(store, video)
    return [made.variant] if isinstance(made, Files) else made
