"""The map, server/README.md, is true: its rooms, their order, the files it names."""

from __future__ import annotations

import ast
import re
from configparser import ConfigParser
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.test_readme import READMES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAP = ROOT / "server/README.md"
ROOMS_MAX = 27

_ROW = re.compile(r"\| (`[\w/]+/`|foundation) \| [^|]+ \| ([^|]+) \|")
_NAMED = re.compile(
    r"`([\w-][\w./-]*\.(?:css|html|js|json|md|py|sql|svg|template|yml))`"
)
_PLACEHOLDER = "NNNN"  # the number of a migration


def read_rooms() -> dict[str, list[str]]:
    """Return the files of each room, by paths, as the table has them from the top."""
    rooms: dict[str, list[str]] = {}
    for room, files in _ROW.findall(MAP.read_text(encoding="utf-8")):
        folder = room.strip("`").removesuffix("/")
        folder = "server" if folder in ("server", "foundation") else f"server/{folder}"
        rooms[room] = [f"{folder}/{name}" for name in re.findall(r"`(\S+)`", files)]
    return rooms


def list_modules(package: str = "server") -> dict[str, str]:
    """Return the path of each module, by its dotted name."""
    paths = sorted(path.relative_to(ROOT) for path in ROOT.glob(f"{package}/**/*.py"))
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path.as_posix()
        for path in paths
    }


def find_imported(source: str, modules: Iterable[str]) -> Iterator[str]:
    """Yield which of these modules a source imports, also for types alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "relative imports hide the room"
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                if inside in modules:
                    yield inside
                elif node.module in modules:
                    yield node.module


def read_imports(package: str = "server") -> dict[str, set[str]]:
    """Return what each module imports of the others in its package."""
    modules = list_modules(package)
    return {
        name: set(find_imported((ROOT / path).read_text("utf-8"), modules))
        for name, path in modules.items()
    }


def find_upward(
    imports: Mapping[str, Iterable[str]], places: Mapping[str, int]
) -> list[str]:
    """Return the imports from a room that stands above the importing one."""
    return [
        f"{name} imports {other}"
        for name, others in imports.items()
        for other in others
        if places[other] < places[name]
    ]


def find_circle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Return modules that import each other in a circle; none if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def says_nothing(path: str) -> bool:
    """Report whether a file holds no more than a docstring."""
    return len(ast.parse((ROOT / path).read_text(encoding="utf-8")).body) <= 1


def number_rooms() -> dict[str, int]:
    """Return the place of each module's room in the table, 0 at the top."""
    rooms = list(read_rooms().values())
    named = {path: place for place, files in enumerate(rooms) for path in files}
    folders: dict[str, int] = {}
    for path, place in named.items():
        folders.setdefault(path.rpartition("/")[0], place)
    return {  # a package without code is named by its folder alone
        name: named.get(path, folders[path.rpartition("/")[0]])
        for name, path in list_modules().items()
    }


def test_map_has_few_rooms() -> None:
    assert 10 < len(read_rooms()) <= ROOMS_MAX


def test_map_names_every_module_once() -> None:
    named = [path for files in read_rooms().values() for path in files]
    modules = list_modules().values()
    empty = {path for path in modules if says_nothing(path)}
    assert sorted(named) == sorted(set(named))
    assert set(modules) - empty <= set(named) <= set(modules)


@pytest.mark.long
def test_no_module_imports_from_a_room_above_its_own() -> None:
    assert find_upward(read_imports(), number_rooms()) == []


@pytest.mark.long
@pytest.mark.parametrize("package", ["server", "bench"])
def test_no_modules_import_each_other(package: str) -> None:
    assert find_circle(read_imports(package)) == []


def test_wrong_imports_are_found() -> None:
    places = number_rooms()
    source = "if TYPE_CHECKING:\n    from server.serving import listen as other"
    (found,) = find_imported(source, places)
    imports = {"server.video.plan": [found], "server.serving.listen": []}
    assert find_upward(imports, places) == [
        "server.video.plan imports server.serving.listen"
    ]
    assert find_circle(imports) == []
    imports["server.serving.listen"] = ["server.video.plan"]
    assert len(find_circle(imports)) == 3  # the first one stands at both ends


@pytest.mark.parametrize("readme", READMES)
def test_named_file_exists(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    folder = (ROOT / readme).parent
    names = set(_NAMED.findall(text))
    if readme == "server/README.md":
        rows = "".join(row[0] for row in re.finditer(_ROW, text))
        names -= set(_NAMED.findall(rows))  # told by their rooms
    for name in names:
        if _PLACEHOLDER not in name:
            assert (folder / name).is_file() or (ROOT / name).is_file(), name


def test_wheel_has_every_room() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = set(setup["options"]["packages"].split())
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "server").rglob("__init__.py")
    }
    assert packages == rooms | {"server.sql"}
