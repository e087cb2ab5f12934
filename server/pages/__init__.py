"""The pages and their static files, named by their content; no build step."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import NamedTuple

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOLDER = Path(__file__).parent
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file a page loads."""

    content_type: str
    body: bytes
    version: str  # changes with the body


@cache
def read_assets() -> dict[str, Asset]:
    """Return {path: asset} of every file in this folder that a page may load."""
    found: dict[str, Asset] = {}
    for path in sorted(_FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            version = sha256(body).hexdigest()[:16]
            name = path.relative_to(_FOLDER).as_posix()
            found[name] = Asset(_TYPES[path.suffix], body, version)
    return found


@cache
def read_template(name: str) -> Template:
    """Return a page in which "file" has become the versioned address of that asset."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for asset, (_, _, version) in read_assets().items():
        text = text.replace(f'"{asset}"', f'"/assets/{asset}?v={version}"')
    return Template(text)
