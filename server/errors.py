"""What can go wrong: a sentence for a person, and its one shape in HTTP. No I/O."""

import json
from collections.abc import Mapping

_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
}


class Fault(Exception):
    """Something the user can mend; its text is one sentence with the remedy.

    Where a remedy is given by itself, the text is the reason, a colon and the remedy.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


def render_error(
    sentence: str, more: Mapping[str, str] = {}, code: str = ""
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an error answer; more are further headers.

    A code is for programs, which then need not read the sentence.
    """
    said = {"error": sentence, "code": code} if code else {"error": sentence}
    text = json.dumps(said, ensure_ascii=False)
    body = text.encode(errors="backslashreplace")  # a path may hold half a character
    return {**_HEADERS, **more}, body
