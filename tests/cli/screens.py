"""What a command shows on a terminal of some width, without one."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from unittest import mock

import click

from statehouse.cli.app import app

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class _Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@contextmanager
def on_screen(columns: int) -> Iterator[io.BytesIO]:
    """Makes stdout a terminal of so many columns, and gives what is written to it."""
    written = io.BytesIO()
    screen = _Screen(written, encoding="utf-8", write_through=True)
    variables = {"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    with mock.patch.dict(os.environ, variables), redirect_stdout(screen):
        yield written
        screen.flush()
        screen.detach()


def plain(written: io.BytesIO) -> list[str]:
    """Gives the lines on a screen, without styles."""
    return [line.rstrip() for line in _STYLE.sub("", written.getvalue().decode()).splitlines()]


def shown(*args: str, url: str, columns: int = 80) -> list[str]:
    """Gives the lines that a command shows."""
    with on_screen(columns) as written, mock.patch.dict(os.environ, {"STATEHOUSE_URL": url}):
        with suppress(click.exceptions.Exit):
            app.main(list(args), prog_name="statehousectl", standalone_mode=False)
        return plain(written)
