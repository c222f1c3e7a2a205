"""Every page is run from top to bottom, as its reader would, and prints what it says."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.fences import LANGUAGES, ROOT, Fence, agrees, commands, fences, page_id, pages
from tests.docs.interpreter import Interpreter
from tests.docs.terminal import Terminal

RUN = [
    page
    for page in pages()
    if any(fence.language in {"python", "console"} for fence in fences(page.read_text()))
]


PORT = "50051"


def free_port() -> str:
    """Gives a port that nobody has: pages are run side by side, and a daemon may be on this machine."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return str(taken.getsockname()[1])


class Reader:
    """Types what a page says, in a directory of its own."""

    def __init__(self, page: Path, directory: Path) -> None:
        self._page = page
        self._directory = directory
        self._port = free_port()
        self._python: Interpreter | None = None
        self._left_python = False
        self._terminal: Terminal | None = None
        self._printed = ""

    def close(self) -> None:
        """Goes away."""
        try:
            if self._python is not None:
                self._python.leave()
        finally:
            if self._terminal is not None:
                self._terminal.close()

    def read(self, fence: Fence) -> None:
        """Does what a block is for, with another port."""
        fence = replace(fence, body=fence.body.replace(PORT, self._port))
        match fence.language:
            case "python" if fence.title.endswith(".py"):
                (self._directory / fence.title).write_text(fence.body)
            case "python":
                self._type(fence)
            case "output":
                self._compare(fence.line, fence.body, self._printed)
            case "console" if not fence.is_setup:
                self._console(fence)

    def _type(self, fence: Fence) -> None:
        # Who was at the shell begins Python anew, and what was typed before is gone.
        if self._python is not None and self._left_python:
            self._python.leave()
            self._python = None
        if self._python is None:
            self._python = Interpreter(self._directory)
        self._left_python = False
        self._printed = self._python.run(self._page, fence.line, fence.body)

    def _console(self, fence: Fence) -> None:
        if self._terminal is None:
            self._terminal = Terminal(self._directory, self._port)
        self._left_python = True
        for command, said in commands(fence):
            printed = self._terminal.run(command)
            self._compare(fence.line, said, printed, f"$ {command}\n")

    def _compare(self, line: int, said: str, printed: str, command: str = "") -> None:
        if not agrees(said, printed):
            pytest.fail(
                f"{page_id(self._page)}:{line}\n{command}the page says:\n{said}\nit printed:\n{printed}",
                pytrace=False,
            )


@pytest.mark.needs("bash")
@pytest.mark.parametrize("page", RUN, ids=page_id)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "reader"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.delenv("STATEHOUSE_URL", raising=False)
    with closing(Reader(page, directory)) as reader:
        for fence in fences(page.read_text()):
            reader.read(fence)


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_every_block_says_what_it_is(page: Path) -> None:
    unknown = [
        (fence.line, fence.language) for fence in fences(page.read_text()) if fence.language not in LANGUAGES
    ]
    assert unknown == []


def test_what_is_said_to_be_made_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = {
        target for page in pages() for target in re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)`", page.read_text())
    }
    assert said - targets == set()


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_nobody_is_told_to_install_what_has_our_name_on_the_index(page: Path) -> None:
    assert re.findall(r"pip3? install +['\"]?statehouse\b", page.read_text()) == []


@pytest.mark.needs("bash")
def test_what_was_typed_is_gone_in_python_that_is_begun_after_the_shell(tmp_path: Path) -> None:
    directory = tmp_path / "reader"
    directory.mkdir()
    page = "```python\nname = 1\n```\n\n```console\n$ true\n```\n\n```python\nprint(name)\n```\n"
    with closing(Reader(ROOT / "README.md", directory)) as reader:
        typed, shell, again = fences(page)
        reader.read(typed)
        reader.read(shell)
        with pytest.raises(pytest.fail.Exception, match="NameError: name 'name' is not defined"):
            reader.read(again)
