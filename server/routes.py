"""The URL table, one line a route."""

from aiohttp import web

from server.front import get_asset, get_index, get_reads
from server.health import get_health, get_readiness
from server.openapi import get_openapi
from server.practice.batch import get_batch
from server.practice.page import get_practice, get_worker
from server.practice.reviews import post_review
from server.videos import get_preflight, get_video

# A decimal without leading zeros; videos.py knows how far ids go.
_VIDEO = "/v3/videos/{id:[1-9][0-9]{0,9}}"

ROUTES = [
    web.get(_VIDEO, get_video, allow_head=False),
    web.head(_VIDEO, get_video),
    web.options(_VIDEO, get_preflight),
    web.get(_VIDEO + ".mp4", get_video, allow_head=False),
    web.head(_VIDEO + ".mp4", get_video),
    web.options(_VIDEO + ".mp4", get_preflight),
    web.get("/v3/next-review-words-batch", get_batch),
    web.post("/v3/reviews", post_review),
    web.get("/healthz", get_health),
    web.get("/readyz", get_readiness),
    web.get("/openapi.json", get_openapi),
    web.get("/", get_index),
    web.get("/assets/{name}", get_asset),
    web.get("/reads", get_reads),
    web.get("/practice", get_practice),
    web.get("/worker.js", get_worker),
]
