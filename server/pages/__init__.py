"""The pages and their static files, named by their content; no build step."""

from __future__ import annotations

import gzip
import posixpath
import re
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
_IMPORT = re.compile(r'\b(?:from|import) "(\.{1,2}/[^"]+)"')


class Asset(NamedTuple):
    """A file a page loads."""

    content_type: str
    body: bytes


@cache
def read_assets() -> dict[str, Asset]:
    """Return {path: asset} of every file in this folder that a page may load."""
    return {
        path.relative_to(_FOLDER).as_posix(): Asset(
            _TYPES[path.suffix], path.read_bytes()
        )
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }


@cache
def pack_asset(name: str) -> bytes:
    """Return a file as gzip; raises KeyError where there is none."""
    return gzip.compress(read_assets()[name].body, mtime=0)


@cache
def hash_assets() -> str:
    """Return a version that changes with any asset.

    It stands in the path of each, so that the relative imports of a module lead to
    modules of the same version.
    """
    digest = sha256()
    for name, (_, body) in read_assets().items():
        digest.update(f"{name}\n{len(body)}\n".encode())
        digest.update(body)
    return digest.hexdigest()[:16]


def list_imports(script: str) -> list[str]:
    """Return the paths of the modules that a script imports, by others too.

    Raises KeyError where it imports what is not there.
    """
    found = [script]
    for name in found:  # it grows meanwhile
        text = read_assets()[name].body.decode()
        for target in _IMPORT.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if path not in found:
                found.append(path)
    return found[1:]


@cache
def read_template(page: str) -> Template:
    """Return the HTML of a page: admin, home or practice.

    $assets has become the address of its assets. $modules has become links to what
    its script imports, so that a browser loads all at once, and the service worker
    finds them named.
    """
    text = (_FOLDER / page / "index.html").read_text(encoding="utf-8")
    assets = f"/assets/{hash_assets()}"
    modules = "\n".join(
        f'<link rel="modulepreload" href="{assets}/{path}">'
        for path in list_imports(f"{page}/index.js")
    )
    return Template(Template(text).safe_substitute(assets=assets, modules=modules))
