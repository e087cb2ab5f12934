"""Which requests belong to one player, whose answers share a pace. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

SESSION = "session"  # pace whoever sends X-Playback-Session-Id, as AVPlayer does
# What proxies and edges add: they fill caches, and keep what they get.
_EDGES = ("Via", "CDN-Loop", "CF-Ray", "X-Forwarded-For", "Forwarded", "X-Varnish")


def name_session(
    headers: Mapping[str, str], client: str, agent: re.Pattern[str] | None
) -> str | None:
    """Return what the requests of a player have in common; None if not paced.

    Without a pattern for User-Agent, players are those that name a session.
    """
    if any(name in headers for name in _EDGES):
        return None
    session = headers.get("X-Playback-Session-Id")
    if agent is None:
        return session
    found = agent.search(headers.get("User-Agent", ""))
    return session or client if found else None
