"""GET and HEAD of what is made of a video for HLS, in the steps of the video itself."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from server.api.errors import RETRY_SECONDS
from server.api.fields import FieldType, NotAllowed, parse_fields
from server.errors import Fault
from server.hls.cuts import cut_playlist
from server.hls.files import (
    MASTER,
    MASTER_SECONDS,
    MEDIA_FILE,
    build_playlist,
    plan_file,
    plan_playlist,
    plan_unfit,
)
from server.hls.layout import Unfit
from server.hls.layouts import LAYOUTS, BeingMade
from server.hls.playlists import choose_segments, render_master
from server.hls.variants import keep_one, list_subtitles, list_variants
from server.reading.store import STORE, VideoChanged
from server.video.handler import (
    ASKED,
    BOUNDARY,
    CODING,
    delay_attack,
    find_video,
    parse_asked,
)
from server.video.plan import plan_error, plan_video
from server.video.sending import send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from multidict import MultiMapping

    from server.hls.layout import Layout
    from server.hls.playlists import Variant
    from server.model import Video
    from server.video.plan import Plan

_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


def _read_seconds(value: object) -> str:
    if not isinstance(value, str) or not _SECONDS.fullmatch(value):
        raise NotAllowed
    return value


_TIME = FieldType("seconds, such as 12 or 12.5", _read_seconds)
_FIELDS = {"start": _TIME, "end": _TIME}


async def get_hls(request: web.Request) -> web.StreamResponse:
    """Answer with the virtual file or a playlist."""
    await delay_attack(request)
    try:
        return await answer(request)
    except VideoChanged:  # the row we remembered is out of date: read it again
        return await answer(request)


async def answer(request: web.Request) -> web.StreamResponse:
    """Parse, plan, read, send; raise VideoChanged if nothing has been sent yet."""
    store = request.app[STORE]
    video = await find_video(store, int(request.match_info["id"]))
    asked = parse_asked(request.headers, (*ASKED, CODING))
    if video is None:
        plan = plan_video(request.method, asked, None, BOUNDARY)
    else:
        plan = await choose(request, asked, video)
    return await send(request, plan, store, video, None, lambda span: None)


async def choose(request: web.Request, asked: Mapping[str, str], video: Video) -> Plan:
    """Choose the answer for a video that exists."""
    name = request.path.rpartition("/")[2]
    try:
        part = {} if name == MEDIA_FILE else parse_part(request.query)
        if name == MASTER:
            return await choose_master(request, asked, video, part)
        return await choose_file(request, asked, video, part)
    except Fault as fault:
        plan = plan_error(400, str(fault))
    except BeingMade as busy:
        plan = plan_error(503, str(busy), {"Retry-After": str(RETRY_SECONDS)})
    return plan if request.method == "GET" else plan._replace(body=())


def parse_part(query: MultiMapping[str]) -> dict[str, str]:
    """Return start and end, as far as they are given; raise Fault."""
    return parse_fields(query.items(), _FIELDS, ignore_unknown=True)


async def choose_file(
    request: web.Request,
    asked: Mapping[str, str],
    video: Video,
    part: Mapping[str, str],
) -> Plan:
    """Choose the answer with the virtual file or a playlist of it.

    Fault for a part in which nothing lies.
    """
    method, name = request.method, request.path.rpartition("/")[2]
    layouts = request.app[LAYOUTS]
    files = await layouts.find(request.app[STORE], video)
    if isinstance(files, Unfit):
        return plan_unfit(method, files)
    whole = files.find(name) if part else None
    if whole is not None:
        segments = find_segments(files.layout, part)
        if len(segments) < len(files.layout.heads):
            cut = cut_playlist(whole, segments)
            return await layouts.cuts.plan(method, asked, cut, BOUNDARY)
    plan = plan_file(method, asked, files, name, BOUNDARY)
    if method == "GET":
        layouts.count(name, plan)
    return plan


def find_segments(layout: Layout, part: Mapping[str, str]) -> range:
    """Return the segments of a part; Fault if nothing lies there."""
    start, end = (
        float(part[field]) if field in part else None for field in ("start", "end")
    )
    try:
        return choose_segments(layout, start, end)
    except ValueError as error:
        raise Fault(str(error)) from error


async def choose_master(
    request: web.Request,
    asked: Mapping[str, str],
    video: Video,
    part: Mapping[str, str],
) -> Plan:
    """Choose the answer with the playlist of playlists."""
    store, layouts = request.app[STORE], request.app[LAYOUTS]
    variants, subtitles = await asyncio.gather(
        list_variants(store, layouts, video), list_subtitles(store, video)
    )
    if isinstance(variants, Unfit):
        return plan_unfit(request.method, variants)
    if part:
        variants = [cut_variant(each, part) for each in keep_one(variants)]
    text = render_master(variants, subtitles)
    playlist = build_playlist(video, text, MASTER_SECONDS)
    return plan_playlist(request.method, asked, playlist, BOUNDARY)


def cut_variant(variant: Variant, part: Mapping[str, str]) -> Variant:
    """Return a variant whose playlists are asked for the same part as the master."""
    query = "?" + "&".join(f"{name}={value}" for name, value in part.items())
    iframes = variant.iframes_uri and variant.iframes_uri + query
    return variant._replace(uri=variant.uri + query, iframes_uri=iframes)
