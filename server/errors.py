"""What can go wrong: a sentence for a person, and its one shape in HTTP. No I/O."""

import json

ERROR_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
}


class Fault(Exception):
    """Something the user can mend; the message is one sentence with the remedy."""


def render_error(sentence: str) -> bytes:
    """Return the body of every error answer."""
    text = json.dumps({"error": sentence}, ensure_ascii=False)
    return text.encode(errors="backslashreplace")  # a path may hold half a character
