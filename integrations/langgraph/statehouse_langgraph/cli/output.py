"""Output: tables and colours on a terminal, lines with tabs without one, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

    from statehouse_langgraph.cli.options import Settings

T = TypeVar("T")

PLAIN_VALUE_WIDTH = 200


def printable(text: str) -> str:
    """Gives a text with what a terminal would obey as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Gives JSON that is safe to print."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
        for line in text.split("\n")
    )


def one_line(value: Any, width: int) -> str:
    """Gives JSON in one line of at most so many characters."""
    text = json_text(value)
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def shown_size(size: int) -> str:
    """Gives a size for people: ``312 bytes``, ``1.5 MiB``."""
    if size < 1024:
        return f"{size} byte{'' if size == 1 else 's'}"
    number = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        number /= 1024
        if number < 1024:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} TiB"


def note(text: str) -> None:
    """Says something beside the output, on stderr."""
    sys.stderr.write(f"statehouse-langgraph: {printable(text)}\n")


def complain(text: str) -> None:
    """Says what went wrong, on stderr, in one paragraph."""
    note(" ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, how rich styles it, and whether it is aligned to the right."""

    title: str
    style: str = ""
    right: bool = False


class Output:
    """Where a command writes, and in which of the three ways."""

    def __init__(self, settings: Settings) -> None:
        from rich.console import Console  # noqa: PLC0415 - only who prints needs it

        self.json = settings.json
        self.terminal = not settings.json and sys.stdout.isatty()
        self._color = settings.color
        self.console: Console = Console(
            file=sys.stdout,
            force_terminal=True if self.terminal else None,
            no_color=None if settings.color else True,
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def width(self) -> int:
        """How many characters a value in one line may have."""
        return self.console.width if self.terminal else PLAIN_VALUE_WIDTH

    def line(self, text: str) -> None:
        """Writes a line."""
        sys.stdout.write(text + "\n")

    def styled(self, *parts: str | tuple[str, str]) -> None:
        """Writes a line of texts and (text, style) pairs; styles are dropped without a terminal."""
        if not self.terminal:
            self.line("".join(part if isinstance(part, str) else part[0] for part in parts))
            return
        from rich.text import Text  # noqa: PLC0415

        self.console.print(Text.assemble(*parts), soft_wrap=True)

    def document(self, value: Any) -> None:
        """Writes one JSON document: indented for a person, in one line for a program."""
        self.line(json_text(value, indent=2 if sys.stdout.isatty() else None))

    def rows(
        self,
        columns: Sequence[Column],
        items: Iterable[T],
        cells: Callable[[T], Sequence[str]],
        document: Callable[[T], Any],
    ) -> int:
        """Writes rows, and gives how many there were."""
        count = 0
        shown: list[list[str]] = []
        for item in items:
            count += 1
            if self.json:
                self.line(json_text(document(item)))
            elif self.terminal:
                shown.append([printable(cell) for cell in cells(item)])
            else:
                self.line("\t".join(printable(cell) for cell in cells(item)))
        if shown:
            self._table(columns, shown)
        return count

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        from rich.cells import cell_len  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        # The first column names its row, and whoever reads a table copies from it: it is never cut.
        name_width = max(cell_len(row[0]) for row in rows)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(
                column.title,
                style=column.style,
                justify="right" if column.right else "left",
                no_wrap=number > 0,
                overflow="ellipsis" if number else "fold",
                min_width=None if number else min(name_width, self.console.width),
            )
        for row in rows:
            table.add_row(*[Text(cell) for cell in row])
        self.console.print(table)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int, str], None]]:
        """Shows a bar on stderr while something long runs, if that is a terminal.

        Yields:
            Called with how much is done, of how much, and at what it is.
        """
        if not sys.stderr.isatty():
            yield lambda done, total, at: None
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(file=sys.stderr, no_color=None if self._color else True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[at]}", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None, at="")

            def show(done: int, total: int, at: str) -> None:
                bar.update(task, completed=done, total=total, at=printable(at)[:40])

            yield show
