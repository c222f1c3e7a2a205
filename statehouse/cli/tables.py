"""Tables on a terminal.

The first column names its row, and whoever reads a table copies from it: it is never cut and never left out.
Where it would be, since the terminal is narrow or the name long, each row is two lines: the name, and below
it the others. Those are cut where they have no room, and left out, from the right, where that would leave
nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Column", "Table"]

_GAP: Final = 2
_WIDE_LEAST: Final = 24
_LEAST: Final = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading on a terminal.
        style: How rich styles it.
        right: Whether it is aligned to the right, as numbers are.
        wide: Whether it takes the room that is left.
    """

    title: str
    style: str = ""
    right: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of a table are laid out.

    Attributes:
        columns: Its columns.
        widths: How wide they are; 0 for one that is left out. Of the first: None when it has its own line.
    """

    columns: tuple[Column, ...]
    widths: tuple[int | None, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], page: Sequence[Sequence[str]], room: int) -> Table:
        """Lays a table out.

        Args:
            columns: Its columns.
            page: The rows that decide.
            room: How wide the terminal is.
        """
        from rich.cells import cell_len

        titles = [column.title for column in columns]
        first, *others = (max(map(cell_len, texts)) for texts in zip(*chain([titles], page), strict=True))
        beside = _fitted(columns[1:], others, room - first - _GAP, whole=True)
        if beside is not None:
            return cls(tuple(columns), (first, *beside))
        below = _fitted(columns[1:], others, room - _GAP, whole=False)
        return cls(tuple(columns), (None, *(below or ())))

    def takes(self, page: Iterable[Sequence[str]]) -> bool:
        """Whether no name in these rows would be cut."""
        from rich.cells import cell_len

        first = self.widths[0]
        return first is None or all(cell_len(row[0]) <= first for row in page)

    def lines(self, page: Iterable[Sequence[str]], *, header: bool) -> Iterator[Text]:
        """Gives the lines of rows, each as wide as it is.

        Args:
            page: The rows.
            header: Whether the headings come first.
        """
        if header:
            yield from self._row([column.title for column in self.columns], "bold")
        for row in page:
            yield from self._row(row)

    def _row(self, texts: Sequence[str], style: str | None = None) -> Iterator[Text]:
        from rich.text import Text

        line = Text()
        if self.widths[0] is None:
            yield Text(texts[0], self.columns[0].style if style is None else style)
            line = Text(" " * _GAP)
        shown = [each for each in zip(self.columns, self.widths, texts, strict=True) if each[1]]
        for number, (column, width, text) in enumerate(shown):
            assert width, "it is shown"
            cell = Text(text, column.style if style is None else style)
            cell.truncate(width, overflow="ellipsis")
            cell.align("right" if column.right else "left", width)
            line.append_text(Text(" " * _GAP if number else ""))
            line.append_text(cell)
        if shown:
            line.rstrip()
            yield line


def _fitted(columns: Sequence[Column], widths: Sequence[int], room: int, *, whole: bool) -> list[int] | None:
    """Gives how wide columns are in some room; None when they are to be whole and that is too little."""
    fitted = list(widths)

    def over() -> int:
        return sum(width + _GAP for width in fitted if width) - _GAP - room

    for wanted, least in ((True, _WIDE_LEAST), (False, _LEAST)):
        for index, column in enumerate(columns):
            if over() > 0 and column.wide is wanted and not (whole and not wanted):
                fitted[index] -= min(over(), max(0, fitted[index] - least))
    if whole:
        return fitted if over() <= 0 else None
    # Numbers and times are left out before what says what the row is about.
    for wanted in (False, True):
        for index in reversed(range(len(columns))):
            if over() > 0 and columns[index].wide is wanted and fitted[index] > 0 and _shown(fitted) > 1:
                fitted[index] = 0
    if over() > 0:
        fitted = [min(width, max(1, room)) for width in fitted]
    return fitted


def _shown(widths: Iterable[int]) -> int:
    return sum(1 for width in widths if width)
