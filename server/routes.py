"""The URL table, one line a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.admin.captions import get_video_captions, put_captions, remove_captions
from server.admin.history import get_history
from server.admin.levels import post_levels
from server.admin.links import delete_links, delete_video, post_links
from server.admin.listing import get_details, get_overview, get_videos, get_words
from server.admin.playback import get_playback
from server.admin.saving import save_upload
from server.admin.uploads import delete_upload, get_flaws, post_upload
from server.api.health import get_health, get_readiness
from server.api.openapi import get_openapi
from server.hls.handler import get_hls
from server.pages.admin import get_admin
from server.pages.hls_js import get_hls_js
from server.pages.home import get_asset, get_index, get_reads
from server.pages.practice import get_practice, get_worker
from server.practice.batch import get_batch
from server.practice.playback import post_playback
from server.practice.reviews import post_review
from server.practice.views import post_views
from server.telemetry.exposition import get_metrics
from server.video.captions import (
    get_caption_list,
    get_captions,
    get_captions_playlist,
)
from server.video.handler import get_preflight, get_video
from server.video.levels import get_levels
from server.video.previews import (
    get_animation,
    get_cues,
    get_storyboard,
    get_thumbnail_or_frame,
)

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

# A decimal without leading zeros; video/handler.py knows how far ids go.
_VIDEO = "/v3/videos/{id:[1-9][0-9]{0,9}}"
_CAPTIONS = _VIDEO + "/captions"
_LANGUAGE = "/{language:[A-Za-z0-9-]{2,35}}"
_ADMIN = "/v3/admin"
_ADMIN_VIDEO = _ADMIN + "/videos/{id:[1-9][0-9]{0,9}}"
_UPLOAD = _ADMIN + "/uploads/{upload:[A-Za-z0-9_-]+}"


def _list_with_head(path: str, handler: Handler) -> list[web.RouteDef]:
    """Return GET and HEAD of a path; both count as routes of their own."""
    return [web.get(path, handler, allow_head=False), web.head(path, handler)]


def _list_open(path: str, handler: Handler) -> list[web.RouteDef]:
    """Return GET and HEAD, and the preflight of pages of any origin."""
    return [*_list_with_head(path, handler), web.options(path, get_preflight)]


ROUTES = [
    *_list_open(_VIDEO, get_video),
    *_list_open(_VIDEO + ".mp4", get_video),
    *_list_with_head(_VIDEO + "/thumbnail", get_thumbnail_or_frame),
    web.get(_VIDEO + "/levels", get_levels),
    *_list_with_head(_CAPTIONS, get_caption_list),
    *_list_open(_CAPTIONS + _LANGUAGE + ".vtt", get_captions),
    *_list_open(_CAPTIONS + _LANGUAGE + ".m3u8", get_captions_playlist),
    *_list_with_head(_VIDEO + "/preview.webp", get_animation),
    *_list_with_head(_VIDEO + "/storyboard.jpg", get_storyboard),
    *_list_with_head(_VIDEO + "/storyboard.vtt", get_cues),
    *_list_open(_VIDEO + "/hls1.mp4", get_hls),
    *_list_open(_VIDEO + "/hls1.m3u8", get_hls),
    *_list_open(_VIDEO + "/hls1-iframes.m3u8", get_hls),
    *_list_open(_VIDEO + "/master.m3u8", get_hls),
    web.get("/v3/next-review-words-batch", get_batch),
    web.post("/v3/reviews", post_review),
    web.post("/v3/views", post_views),
    web.post("/v3/playback", post_playback),
    web.get("/healthz", get_health),
    web.get("/readyz", get_readiness),
    web.get("/metrics", get_metrics),
    web.get("/openapi.json", get_openapi),
    web.get("/", get_index),
    web.get("/assets/{version}/{name:.+}", get_asset),
    web.get("/hls.js/{version}.mjs", get_hls_js),
    web.get("/reads", get_reads),
    web.get("/practice", get_practice),
    web.get("/worker.js", get_worker),
    web.get("/admin", get_admin),
    web.get(_ADMIN + "/overview", get_overview),
    web.get(_ADMIN + "/history", get_history),
    web.get(_ADMIN + "/playback", get_playback),
    web.get(_ADMIN + "/words", get_words),
    web.get(_ADMIN + "/videos", get_videos),
    web.get(_ADMIN_VIDEO, get_details),
    web.delete(_ADMIN_VIDEO, delete_video),
    web.get(_ADMIN_VIDEO + "/flaws", get_flaws),
    web.get(_ADMIN_VIDEO + "/captions", get_video_captions),
    web.put(_ADMIN_VIDEO + "/captions" + _LANGUAGE, put_captions),
    web.delete(_ADMIN_VIDEO + "/captions" + _LANGUAGE, remove_captions),
    web.post(_ADMIN_VIDEO + "/levels", post_levels),
    web.post(_ADMIN_VIDEO + "/links", post_links),
    web.delete(_ADMIN_VIDEO + "/links", delete_links),
    web.post(_ADMIN + "/uploads", post_upload),
    web.post(_UPLOAD, save_upload),
    web.delete(_UPLOAD, delete_upload),
]
