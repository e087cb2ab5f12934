"""JSON that is sent, read strictly. No I/O."""

from __future__ import annotations

import json
from typing import NoReturn

from server.errors import Fault


class Members(list[tuple[str, object]]):
    """The members of a JSON object in their order, the same name twice or not."""


def parse_object(body: bytes) -> Members:
    """Return the members of a JSON object; raise Fault."""
    try:
        parsed = json.loads(
            body.decode(),
            object_pairs_hook=Members,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise Fault(f"Byte {error.start} of the body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Fault(f"The body is not JSON at {place}: {error.msg}.") from None
    except RecursionError:
        raise Fault("The body is nested too deeply.") from None
    if not isinstance(parsed, Members):
        raise Fault("The body must be a JSON object.")
    return parsed


def _parse_int(digits: str) -> float:
    """Return a number; infinity for 20 digits or more, of which int() refuses many."""
    return int(digits) if len(digits) < 20 else float("inf")


def _refuse_constant(name: str) -> NoReturn:
    raise Fault(f"The body is not JSON: {name} is no number of JSON.")
