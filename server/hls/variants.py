"""What the master playlist lists: a video and its levels, and the captions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.hls.layout import Unfit
from server.hls.playlists import Subtitles
from server.library.captions.languages import name_language
from server.reading.store import VideoChanged
from server.video.captions import find_languages
from server.video.handler import find_video
from server.video.levels import list_levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.hls.layouts import Layouts
    from server.hls.playlists import Variant
    from server.model import Video
    from server.reading.store import Store


async def list_variants(
    store: Store, layouts: Layouts, video: Video
) -> list[Variant] | Unfit:
    """Return what players may choose from, the first to start with; Unfit if nothing.

    A video that HLS can't play as it is may still have levels that it can. Raises
    VideoChanged, and what the reading raises.
    """
    levels = await list_levels(store.database, [video.id])
    listed = (level.video_id for level in levels.get(video.id, ()))
    ids = [each for each in listed if each != video.id]
    own, found = await asyncio.gather(
        layouts.describe(store, video),
        asyncio.gather(*(_find_level(store, layouts, each) for each in ids)),
    )
    smaller = [each for each in found if each is not None]
    if isinstance(own, Unfit):
        return order_variants(smaller) or own
    return choose_variants(own, smaller)


async def _find_level(store: Store, layouts: Layouts, video_id: int) -> Variant | None:
    """Return a level as the master of its original tells of it; None without HLS."""
    try:
        video = await find_video(store, video_id)
        variant = video and await layouts.describe(store, video)
    except VideoChanged:  # it was deleted, a moment ago
        return None
    if variant is None or isinstance(variant, Unfit):
        return None
    return move_variant(variant, f"../{video_id}/")


def move_variant(variant: Variant, folder: str) -> Variant:
    """Return a variant whose playlists are named from another video's folder."""
    iframes = variant.iframes_uri and folder + variant.iframes_uri
    return variant._replace(uri=folder + variant.uri, iframes_uri=iframes)


def choose_variants(own: Variant, levels: Iterable[Variant]) -> list[Variant]:
    """Return a video's own variant and the levels that fit beside it.

    Players cannot change between one with sound and one without, nor gain anything by
    a level that has as many bits.
    """
    kinds = _list_kinds(own)
    fit = [
        each
        for each in levels
        if _list_kinds(each) == kinds and each.average_bandwidth < own.average_bandwidth
    ]
    return order_variants([own, *fit])


def order_variants(variants: Iterable[Variant]) -> list[Variant]:
    """Return them with the least bits first: with that one players start soonest."""
    return sorted(variants, key=lambda each: each.average_bandwidth)


def _list_kinds(variant: Variant) -> tuple[bool, bool]:
    """Report whether there are pictures, and whether there is sound."""
    return variant.frame_rate > 0, "mp4a" in variant.codecs


def keep_one(variants: list[Variant]) -> list[Variant]:
    """Return the video's own variant alone, or a level where that does not qualify.

    Of a part there is one: the segments of others begin at other times, and all
    variants have to show the same (RFC 8216, section 6.2.4).
    """
    own = [each for each in variants if not each.uri.startswith("../")]
    return (own or variants)[:1]


async def list_subtitles(store: Store, video: Video) -> list[Subtitles]:
    """Return the captions of a video, by language.

    Their playlists tell of the whole time of the video, also where the master is asked
    for a part of it: segments keep the times that they have in the whole.
    """
    return [
        Subtitles(name_language(language), language, f"captions/{language}.m3u8")
        for _, language in await find_languages(store.database, [video.id])
    ]
