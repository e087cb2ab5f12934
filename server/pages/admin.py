"""The admin's page: it holds no secret, and asks for the token itself."""

from aiohttp import web

from server.admin.token import ACCESS
from server.pages import PAGE_HEADERS, read_template


async def get_admin(request: web.Request) -> web.Response:
    """Answer with the page; without a token set it says how to set one."""
    state = "set" if request.app[ACCESS].is_set else "unset"
    page = read_template("admin").substitute(state=state)
    return web.Response(text=page, content_type="text/html", headers=PAGE_HEADERS)
