"""hls.js, which plays HLS where a browser cannot; whoever wants it installs it."""

from __future__ import annotations

import gzip
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from server.api.errors import build_error_response
from server.errors import Fault
from server.hls.coding import accepts_gzip

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = "dist/hls.light.min.mjs"  # without what short clips never need
_LICENCE = "LICENSE"
_HEADERS = {
    "Content-Type": "text/javascript; charset=utf-8",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
_NONE = "There is no such version of hls.js here."


class HlsJs(NamedTuple):
    """The script with its licence in front, as it is and compressed."""

    version: str  # changes with its bytes
    plain: bytes
    packed: bytes

    @property
    def address(self) -> str:
        """Return where it is served."""
        return f"/hls.js/{self.version}.mjs"


HLS_JS: web.AppKey[HlsJs | None] = web.AppKey("hls_js")


def read_hls_js(package: Path) -> HlsJs:
    """Return the script in the folder of npm's package hls.js; raise Fault."""
    try:
        licence = (package / _LICENCE).read_text(encoding="utf-8")
        script = (package / _SCRIPT).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(
            f"cannot read hls.js in {str(package)!r} ({error})",
            "run `npm install hls.js` and name its folder, such as node_modules/hls.js",
        ) from error
    comment = f"/*! hls.js\n\n{licence.strip().replace('*/', '* /')}\n*/\n"
    plain = comment.encode() + script
    version = sha256(plain).hexdigest()[:16]
    return HlsJs(version, plain, gzip.compress(plain, mtime=0))


async def get_hls_js(request: web.Request) -> web.Response:
    """Answer with the script: kept for good, as its address changes with it."""
    found = request.app[HLS_JS]
    if found is None or request.match_info["version"] != found.version:
        return build_error_response(404, _NONE)
    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
        more = {"Content-Encoding": "gzip"}
        return web.Response(body=found.packed, headers=_HEADERS | more)
    return web.Response(body=found.plain, headers=_HEADERS)
