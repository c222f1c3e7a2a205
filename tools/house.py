"""Checks the rules of the house that neither ruff nor import-linter can say.

* No tracked file names a package index or a path of somebody's machine: what is here works everywhere.
* Nothing tells people to install ``statehouse`` from an index, where that name is another project's.
* A module is one noun: at most 600 lines, and none is called after nothing in particular.
* The floors do not import the front door: only programs and tests say ``from statehouse import Statehouse``.
* Integrations import public names only: ``statehouse`` and ``statehouse.extend``.

    python tools/house.py    exit 1 if a rule is broken
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LINES_MAX: Final = 600
NAMELESS: Final = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"})
PUBLIC: Final = frozenset({"statehouse", "statehouse.extend"})
# Composition roots and the workshop stand above the front door.
ABOVE_THE_DOOR: Final = (
    "statehouse/__main__.py",
    "statehouse/cli/",
    "statehouse/daemon/",
    "statehouse/testing/",
)

# Written so that this file does not break its own rule.
MACHINE: Final = re.compile(
    r"py[p]i\.or[g]/simple|files\.python[h]osted\.or[g]|index-url[ =]|"
    r"(?<![\w./~-])/(?:root|work|Users|home/\w+|tmp/\w+)/\w"
)
# With extras or a pin too; a path of a checkout or a wheel is fine.
FROM_AN_INDEX: Final = re.compile(r"(?:pip|uv|pipx) (?:add|install) (?:-\S+ )*['\"]?statehouse(?![\w/.-])")
MODULES_OF_THE_PACKAGE: Final = "statehouse/"


def main() -> int:
    """Prints each broken rule; gives the exit code."""
    files = tracked_files()
    wrong = [line for path in files for line in complaints(path, (ROOT / path).read_bytes())]
    print("\n".join(wrong) or f"{len(files)} files keep the rules of the house")
    return 1 if wrong else 0


def tracked_files() -> list[str]:
    """Gives what git knows and what it would add, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def complaints(path: str, data: bytes) -> Iterator[str]:
    """Says which rules a file breaks, each as ``path:line: what``."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if found := MACHINE.search(line):
            yield f"{path}:{number}: names {found[0]!r}, which is not the same on every machine"
        if found := FROM_AN_INDEX.search(line):
            yield f"{path}:{number}: says {found[0]!r}; the index has another project under that name"
    if not path.endswith(".py"):
        return
    yield from _shape(path, text)
    yield from _imports(path, text)


def _shape(path: str, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > LINES_MAX and not path.startswith("statehouse/_generated/"):
        yield f"{path}:{lines}: longer than {LINES_MAX} lines; find its second noun"
    names = Path(path).with_suffix("").parts
    if nameless := NAMELESS.intersection(names):
        yield f"{path}:1: called {', '.join(nameless)}; name what it is"


def _imports(path: str, text: str) -> Iterator[str]:
    inside = path.startswith(MODULES_OF_THE_PACKAGE) and not path.startswith(ABOVE_THE_DOOR)
    integration = path.startswith("integrations/")
    if not inside and not integration:
        return
    for number, module, names in imported(text):
        if inside and module == "statehouse" and not names <= submodules():
            yield f"{path}:{number}: imports the front door; import the floor that has the name"
        if integration and module.split(".")[0] == "statehouse" and module not in PUBLIC:
            yield f"{path}:{number}: imports {module}; integrations use {' and '.join(sorted(PUBLIC))} only"


def imported(text: str) -> Iterator[tuple[int, str, set[str]]]:
    """Gives every import of a module's source: line, module, and the names taken from it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, set()
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module, {alias.name for alias in node.names}


def submodules() -> set[str]:
    """Gives the names of the floors, which are no names of the front door."""
    return {entry.stem for entry in (ROOT / "statehouse").iterdir() if entry.suffix in {"", ".py"}}


if __name__ == "__main__":
    sys.exit(main())
