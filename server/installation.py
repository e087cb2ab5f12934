"""Tell a broken installation, which the user can mend, from a bug of ours. No I/O."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

REMEDY = "install bytereel again in a new environment"


def explain(error: Exception) -> str | None:
    """Return why a library cannot be used: it is missing, or does not fit.

    None if the error is our own: a module of ours that is missing or fails.
    """
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        module = error.obj.__name__
        if not _is_ours(module) and not _is_python(module):
            return f"{module} has no {error.name}"
    library = _find_library(error)
    if library is None:
        return None
    reason = " ".join(f"{error}".split()) or type(error).__name__
    return f"cannot import {library}: {reason}"


def _find_library(error: Exception) -> str | None:
    """Return the library whose import ended with the error."""
    importing = _list_importing(error.__traceback__)
    last = max((at for at, name in enumerate(importing) if _is_ours(name)), default=-1)
    theirs = importing[last + 1 :]
    if theirs:
        return theirs[0].partition(".")[0]
    if isinstance(error, ImportError) and error.name and not _is_ours(error.name):
        return error.name.partition(".")[0]
    return None


def _list_importing(trace: TracebackType | None) -> list[str]:
    """Return the modules that were being imported, or ran, from the outermost on.

    Functions of libraries count for nothing: an error in them is no failed import.
    """
    names = []
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        is_import = trace.tb_frame.f_code.co_name == "<module>"
        if _is_ours(name) or (is_import and not _is_python(name)):
            names.append(name)
        trace = trace.tb_next
    return names


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("server", "__main__")


def _is_python(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names
