"""The fields of a query or of a JSON object, read by a table of types. No I/O.

What is wrong with a field is always told in the same way: its name, what it must be,
and what it is, such as `count must be a whole number from 1 to 100, not "0".`
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from server.api.strict_json import Members
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ID_MAX = 2**63 - 1
SHOWN_MAX = 60  # characters of a wrong value or name, if it is to be repeated

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.I)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DIGITS = re.compile(r"[1-9][0-9]{0,18}")


class FieldType(NamedTuple):
    """What a field may be."""

    allowed: str  # as it goes on after "must be"
    read: Callable[[object], Any]  # returns the value, or raises NotAllowed
    required: bool = False


class NotAllowed(Exception):
    """The value is not of its type; the message, if any, says more than "must be"."""


class FieldFault(Fault):
    """A field is wrong: its path, such as views[0].reached, and the complaint."""

    def __init__(self, path: str, complaint: str) -> None:
        super().__init__(f"{path} {complaint}")
        self.path, self.complaint = path, complaint

    def within(self, name: str) -> FieldFault:
        """Return the same fault, told from outside of the field of this name."""
        dot = "" if self.path.startswith("[") else "."
        return FieldFault(f"{name}{dot}{self.path}", self.complaint)


def parse_fields(
    members: Iterable[tuple[str, object]],
    types: Mapping[str, FieldType],
    *,
    ignore_unknown: bool = False,
) -> dict[str, Any]:
    """Return the fields that are given, in the order of types; raise FieldFault."""
    given: dict[str, list[object]] = {}
    for name, value in members:
        if name in types:
            given.setdefault(name, []).append(value)
        elif not ignore_unknown:
            known = ", ".join(types) or "none"
            raise FieldFault(_show(name), f"is no known field; there are: {known}.")
    found: dict[str, Any] = {}
    for name, kind in types.items():
        values = given.get(name, [])
        if len(values) > 1:
            raise FieldFault(name, "is given twice; give it once.")
        if values:
            found[name] = _read(name, kind, values[0])
        elif kind.required:
            raise FieldFault(name, f"is missing; it must be {kind.allowed}.")
    return found


def _read(name: str, kind: FieldType, value: object) -> Any:
    try:
        return kind.read(value)
    except NotAllowed as error:
        complaint = str(error) or f"must be {kind.allowed}, not {_show(value)}."
        raise FieldFault(name, complaint) from None
    except FieldFault as fault:
        raise fault.within(name) from None


def _show(value: object) -> str:
    """Return a value as it is told: as JSON, if that is short."""
    if isinstance(value, Members):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value in (float("inf"), float("-inf")):  # of so many digits, or by its exponent
        return "a number beyond that"
    plain = not isinstance(value, str) or value.isprintable()
    shown = json.dumps(value, ensure_ascii=not plain)
    return shown if len(shown) <= SHOWN_MAX else f"text of {len(str(value))} characters"


def required(kind: FieldType) -> FieldType:
    """Return a type whose field may not be missing."""
    return kind._replace(required=True)


def nullable(kind: FieldType) -> FieldType:
    """Return a type that also takes null, and gives None for it."""
    return kind._replace(read=lambda value: None if value is None else kind.read(value))


def text(longest: int, *, shortest: int = 0) -> FieldType:
    """Return the type of text that PostgreSQL can keep, of so many characters."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise NotAllowed
        if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
            raise NotAllowed
        return value

    length = f"text of {shortest} to {longest} characters"
    return FieldType(f"{length} without U+0000 or unpaired surrogates", read)


def choice(*names: str) -> FieldType:
    """Return the type of one of these names, of which there are several."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise NotAllowed
        return value

    return FieldType(f"{', '.join(names[:-1])} or {names[-1]}", read)


def whole_number(greatest: int = ID_MAX, *, least: int = 1) -> FieldType:
    """Return the type of a whole number, in JSON."""

    def read(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 5.0 is whole as well (JSON Schema, 6.3)
        if type(value) is not int or not least <= value <= greatest:
            raise NotAllowed
        return value

    return FieldType(f"a whole number from {least} to {greatest}", read)


def digits(greatest: int = ID_MAX) -> FieldType:
    """Return the type of a number from 1, in a query; leading zeros are not allowed."""

    def read(value: object) -> int:
        if not isinstance(value, str) or not _DIGITS.fullmatch(value):
            raise NotAllowed
        number: int = kind.read(int(value))
        return number

    kind = whole_number(greatest)
    return FieldType(kind.allowed, read)


def object_of(
    types: Mapping[str, FieldType], *, ignore_unknown: bool = False
) -> FieldType:
    """Return the type of a JSON object with fields of its own."""

    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, Members):
            raise NotAllowed
        return parse_fields(value, types, ignore_unknown=ignore_unknown)

    return FieldType("a JSON object", read)


def list_of(kind: FieldType, most: int) -> FieldType:
    """Return the type of a JSON list of at most so many values of a type."""

    def read(value: object) -> list[Any]:
        # Members, of an object, are a list to Python as well.
        if not isinstance(value, list) or isinstance(value, Members):
            raise NotAllowed
        if len(value) > most:
            raise NotAllowed
        return [_read(f"[{place}]", kind, each) for place, each in enumerate(value)]

    return FieldType(f"a list of at most {most}", read)


def _read_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise NotAllowed
    return value


def _read_uuid(value: object) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise NotAllowed
    return value.lower()


def _read_time(value: object) -> datetime:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # there is no such day or hour
    raise NotAllowed


TRUTH = FieldType("true or false", _read_truth)
UUID = FieldType("a UUID like 550e8400-e29b-41d4-a716-446655440000", _read_uuid)
"""With its hyphens (RFC 9562, 4); it is returned in lower case."""
TIME = FieldType("a time with its zone like 2026-01-31T18:30:00Z", _read_time)
"""RFC 3339, 5.6."""
