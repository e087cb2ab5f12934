"""The practice page and its worker; the page itself asks the API for the words."""

from aiohttp import web

from server.pages import PAGE_HEADERS, read_assets, read_template
from server.pages.hls_js import HLS_JS

_POLICY = "Content-Security-Policy"
# What hls.js fetches, it hands to the player as a blob.
HLS_JS_HEADERS = PAGE_HEADERS | {
    _POLICY: PAGE_HEADERS[_POLICY].replace("media-src", "media-src blob:")
}

_WORKER_HEADERS = {
    "Cache-Control": "no-cache",  # or browsers would go on with an older one
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
}


async def get_practice(request: web.Request) -> web.Response:
    """Answer with the page, the same for every learner."""
    sparing = request.headers.get("Save-Data", "").lower() == "on"
    hls_js = request.app[HLS_JS]
    page = read_template("practice").substitute(
        save="yes" if sparing else "no", hls=hls_js.address if hls_js else ""
    )
    headers = HLS_JS_HEADERS if hls_js else PAGE_HEADERS
    return web.Response(text=page, content_type="text/html", headers=headers)


async def get_worker(request: web.Request) -> web.Response:
    """Answer with the service worker: at the root, as its folder bounds its scope."""
    content_type, body = read_assets()["practice/worker.js"]
    headers = {"Content-Type": content_type, **_WORKER_HEADERS}
    return web.Response(body=body, headers=headers)
