"""What an admin asks for, in a query or as JSON, read strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.api.bodies import read_body
from server.api.strict_json import Members, parse_object
from server.errors import Fault
from server.library.files import show_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiohttp import web

    Parse = Callable[[object], Any]

ID_MAX = 2**63 - 1
SHOWN_MAX = 60  # letters of a wrong name that are told


def parse_fields(
    members: Iterable[tuple[str, object]], parsers: Mapping[str, Parse]
) -> dict[str, Any]:
    """Return what was given by its name; raise Fault for what is unknown or wrong."""
    found: dict[str, Any] = {}
    for name, value in members:
        if name not in parsers:
            known = ", ".join(parsers) or "none"
            raise Fault(f"{_show(name)} is no known field; there are: {known}.")
        if name in found:
            raise Fault(f"{name} is given twice; give it once.")
        try:
            found[name] = parsers[name](value)
        except Fault as fault:
            raise Fault(f"{name} {fault}") from None
    return found


def _show(name: str) -> str:
    return show_text(name if len(name) <= SHOWN_MAX else name[:SHOWN_MAX] + "…")


def parse_query(request: web.Request, **parsers: Parse) -> dict[str, Any]:
    """Return what the query gives."""
    return parse_fields(request.query.items(), parsers)


async def read_json(request: web.Request, **parsers: Parse) -> dict[str, Any]:
    """Return what the body gives; raise Refused or Fault."""
    return parse_fields(parse_object(await read_body(request)), parsers)


def check_members(value: object) -> Members:
    """Return the members of an object; raise Fault for anything else."""
    if not isinstance(value, Members):
        raise Fault("must be a JSON object.")
    return value


def text(longest: int, *, shortest: int = 0) -> Parse:
    """Return a parser of text that PostgreSQL can keep, of so many letters."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise Fault(f"must be text of {shortest} to {longest} letters.")
        if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
            raise Fault("holds what is no letter: U+0000, or half of one.")
        return value

    return parse


def optional(parse: Parse) -> Parse:
    """Return a parser to which null says as much as nothing."""
    return lambda value: None if value is None else parse(value)


def choice(*names: str) -> Parse:
    """Return a parser of one of these names."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise Fault(f"must be one of: {', '.join(names)}.")
        return value

    return parse


def truth(value: object) -> bool:
    """Return true or false of JSON."""
    if not isinstance(value, bool):
        raise Fault("must be true or false.")
    return value


def whole(value: object, greatest: int = ID_MAX) -> int:
    """Return a number from 1, of JSON or written as digits in a query."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # 5.0 is whole as well (JSON Schema, 6.3)
    if type(value) is not int or not 1 <= value <= greatest:
        raise Fault(f"must be a whole number from 1 to {greatest}.")
    return value
