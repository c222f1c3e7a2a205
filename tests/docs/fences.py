"""The fenced blocks of a page, and what of it is run.

======== =========================================================================================
language what the tests do with it
======== =========================================================================================
python   run it, in one interpreter as long as no console is between, and in a new one after it;
         with the name of a file as its title, save it there
output   compare it with what the block of Python before it printed
console  run its commands (the lines after ``$``), and compare what they print
json     what its title says: send it to a daemon, or compare it with what the daemon answered
js       find it in a file of examples/node/, which is run
sh       nothing runs: programs that need not be there; what it says of our service is checked
text     nothing: a diagram or a form
toml     nothing: a file of the reader's
======== =========================================================================================

In what is compared ``...`` stands for anything, and empty lines do not count. Port 50051 is replaced by one
that is free, so that pages can be run side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
LANGUAGES = frozenset({"python", "output", "console", "json", "js", "sh", "text", "toml"})

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r'\btitle="([^"]*)"')
_SETUP = re.compile(r"make( |$)|python3 -m venv |\.venv/bin/pip install |source ")


@dataclass(frozen=True, slots=True)
class Fence:
    """A block: what it is, what it says, the line of its first line, and its title."""

    language: str
    body: str
    line: int
    title: str = ""

    @property
    def is_setup(self) -> bool:
        """Whether it is about installing: it changes the machine, so it is not run."""
        return self.language == "console" and all(_SETUP.match(command) for command, _ in commands(self))


def pages() -> list[Path]:
    """Gives every page whose code is run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def page_id(page: Path) -> str:
    """Gives the name of a page from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def fences(text: str) -> list[Fence]:
    """Gives the blocks of a page in order."""
    return [
        Fence(
            found["info"].split(" ")[0],
            dedent(found["body"]),
            text.count("\n", 0, found.start("body")) + 1,
            title[1] if (title := _TITLE.search(found["info"])) else "",
        )
        for found in _FENCE.finditer(text)
    ]


def commands(fence: Fence) -> Iterator[tuple[str, str]]:
    """Gives each command of a console with what it is said to print; a line with ``>`` goes on with it."""
    command, printed = "", ""
    for line in fence.body.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:].rstrip("\n"), ""
        elif line.startswith("> ") and not printed:
            command += "\n" + line[2:].rstrip("\n")
        else:
            printed += line
    yield command, printed


def agrees(said: str, printed: str) -> bool:
    """Says whether what was printed is what the page says."""
    return OutputChecker().check_output(_lines(said), _lines(printed), ELLIPSIS)


def _lines(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines() if line.strip())
