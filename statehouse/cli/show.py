"""Output: tables and colours on a terminal, plain and stable lines without one, JSON when asked.

Values in JSON output: a JSON value is itself; a content type that a codec can show is what the codec shows;
everything else is ``{"@bytes": base64}``. ``content_type`` stands beside every value and says which.

Plain rows are separated by tabs and have no header; a value in a row is one line of compact JSON, shortened
to 200 characters. What a terminal would obey rather than show is always written as an escape.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from statehouse.cli.tables import Column, Table
from statehouse.programs.words import paragraph, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from statehouse.cli.command import Settings
    from statehouse.protocol.values import Payload

__all__ = [
    "Column",
    "Output",
    "complain",
    "full_text",
    "is_legible",
    "json_text",
    "note",
    "one_line",
    "piped",
    "printable",
    "shown_bytes",
    "shown_value",
    "value_json",
]

T = TypeVar("T")

PLAIN_VALUE_WIDTH: Final = 200
_ROWS_AT_ONCE: Final = 200
_HEX_PREVIEW_BYTES: Final = 16
_DUMP_BYTES: Final = 128


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Gives JSON that is safe to print: what is not printable is escaped inside its strings."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if indent is None:
        return text if text.isprintable() else "".join(map(_escaped, text))
    return "\n".join(
        line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n")
    )


def _escaped(char: str) -> str:
    # JSON has \u escapes of UTF-16 units, which is what ASCII JSON writes.
    return char if char.isprintable() else json.dumps(char)[1:-1]


def note(text: str) -> None:
    """Says something beside the output, on stderr."""
    sys.stderr.write(f"statehousectl: {printable(text)}\n")


def complain(text: str) -> None:
    """Says what went wrong, on stderr, in one paragraph."""
    note(paragraph(text))


def value_json(payload: Payload) -> Any:
    """Gives a value as JSON output has it; see the module."""
    legible = _legible(payload)
    return {"@bytes": base64.b64encode(payload.data).decode("ascii")} if legible is None else legible[0]


def _legible(payload: Payload) -> tuple[Any] | None:
    """The JSON value that shows a payload, in a tuple; None where there is none."""
    from statehouse.protocol.codecs import codec_for
    from statehouse.protocol.values import BYTES, JSON

    if payload.content_type == JSON:
        try:
            return (json.loads(payload.data),)
        except ValueError:
            return None
    codec = None if payload.content_type == BYTES else codec_for(payload.content_type)
    if codec is None:
        return None
    try:
        shown = codec.show(payload.data)
        json.dumps(shown)
    except Exception:  # noqa: BLE001 - a codec is somebody else's, and its data may be anything
        return None
    return (shown,)


def shown_value(payload: Payload | None, kind: str | None = "write") -> dict[str, Any]:
    """Gives the fields ``content_type`` and ``value`` of JSON output; none where there is no value."""
    if payload is None or kind != "write":
        return {}
    return {"content_type": payload.content_type, "value": value_json(payload)}


def one_line(payload: Payload, width: int) -> str:
    """Gives a value in one line of at most so many characters."""
    from statehouse.protocol.values import JSON

    if payload.content_type == JSON:
        # A character is at most four bytes, so this is enough of 16 MiB.
        text = payload.data[: 4 * width + 4].decode(errors="replace")[: width + 1]
    else:
        legible = _legible(payload)
        text = _preview(payload) if legible is None else json_text(legible[0])[: width + 1]
    if not text.isprintable():
        text = "".join(map(_escaped, text))
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _preview(payload: Payload) -> str:
    from statehouse.protocol.values import BYTES

    data = payload.data
    first = data[:_HEX_PREVIEW_BYTES].hex(" ", 4)
    more = "…" if len(data) > _HEX_PREVIEW_BYTES else ""
    kind = "" if payload.content_type == BYTES else f"{payload.content_type}, "
    return f"<{kind}{shown_bytes(len(data))}{': ' if data else ''}{first}{more}>"


def is_legible(payload: Payload) -> bool:
    """Whether a value can be shown as JSON; else it is bytes to a person."""
    return _legible(payload) is not None


def full_text(payload: Payload) -> str:
    """Gives a value whole, over several lines: indented JSON, or the beginning of its bytes."""
    legible = _legible(payload)
    return "\n".join(_hex_lines(payload)) if legible is None else json_text(legible[0], indent=2)


def piped(payload: Payload) -> bytes:
    """Gives a value whole, for another program: JSON and a line end, or bytes as they are."""
    from statehouse.protocol.values import JSON

    if payload.content_type == JSON:
        return payload.data + b"\n"
    legible = _legible(payload)
    return payload.data if legible is None else json_text(legible[0]).encode() + b"\n"


def _hex_lines(payload: Payload) -> Iterator[str]:
    data = payload.data
    yield f"{payload.content_type}, {shown_bytes(len(data))}"
    for start in range(0, min(len(data), _DUMP_BYTES), 16):
        row = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{start:04x}  {row.hex(' '):47}  {text}"
    if len(data) > _DUMP_BYTES:
        yield f"… {len(data) - _DUMP_BYTES:,} more bytes; get --bytes writes them all"


def shown_bytes(size: int) -> str:
    """Gives a size for people: ``1 byte``, ``312 bytes``, ``1.5 MiB``."""
    if size < 1024:
        return f"{size} byte{'' if size == 1 else 's'}"
    number = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        number /= 1024
        if number < 1024 or unit == "TiB":
            break
    return f"{number:.1f} {unit}"


class Output:
    """Where a command writes, and in which of the three ways."""

    def __init__(self, settings: Settings) -> None:
        self.json = settings.json
        self.terminal = not settings.json and sys.stdout.isatty()
        self._color = settings.color
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """The terminal."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                file=sys.stdout,
                force_terminal=True,
                no_color=True if not self._color else None,
                highlight=False,
                markup=False,
                emoji=False,
                soft_wrap=False,
            )
        return self._console

    @property
    def width(self) -> int:
        """How many characters a value in one line may have."""
        return self.console.width if self.terminal else PLAIN_VALUE_WIDTH

    def line(self, text: str) -> None:
        """Writes a line."""
        sys.stdout.write(text + "\n")

    def raw(self, data: bytes) -> None:
        """Writes bytes as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def styled(self, *parts: str | tuple[str, str]) -> None:
        """Writes a line of texts and (text, style) pairs to the terminal; styles are dropped without one."""
        if not self.terminal:
            self.line("".join(part if isinstance(part, str) else part[0] for part in parts))
            return
        from rich.text import Text

        self.console.print(Text.assemble(*parts), soft_wrap=True)

    def value(self, payload: Payload, *, indent: int = 0, lines_max: int | None = None) -> None:
        """Writes a value over several lines, JSON in colours on a terminal.

        Args:
            payload: The value.
            indent: How far it stands to the right.
            lines_max: After how many lines it is cut, which is said; None: never.
        """
        more_by = "`get` shows them"
        self._lines(full_text(payload), indent, lines_max, more_by, is_json=is_legible(payload))

    def json_value(self, value: Any, *, indent: int = 0, lines_max: int | None = None) -> None:
        """Writes a JSON value over as few lines as its parts fit into."""
        text = "\n".join(_laid_out(value, self.width - indent))
        self._lines(text, indent, lines_max, "--json prints them", is_json=True)

    def _lines(self, text: str, indent: int, lines_max: int | None, more_by: str, *, is_json: bool) -> None:
        lines = text.split("\n")
        more = 0 if lines_max is None else len(lines) - lines_max
        shown = "\n".join(" " * indent + line for line in lines[:lines_max])
        if self.terminal and is_json:
            self.console.print(_colored_json(shown), soft_wrap=True)
        else:
            self.line(shown)
        if more > 0:
            self.styled((f"{' ' * indent}… {more:,} more lines; {more_by}", "dim"))

    def document(self, value: Any) -> None:
        """Writes one JSON document: indented for a person, in one line for a program."""
        self.line(json_text(value, indent=2 if sys.stdout.isatty() else None))

    def record(self, value: Any) -> None:
        """Writes a line of JSON lines."""
        self.line(json_text(value))

    def flush(self) -> None:
        """Lets who reads see what was written so far."""
        sys.stdout.flush()

    def rows(
        self,
        columns: Sequence[Column],
        items: Iterable[T],
        cells: Callable[[T], Sequence[str]],
        document: Callable[[T], Any],
    ) -> int:
        """Writes rows as they come, and gives how many there were.

        Args:
            columns: The table's columns.
            items: What the rows are of.
            cells: Gives the texts of a row.
            document: Gives the JSON of a row.
        """
        count = 0
        if self.terminal:
            return self._table(columns, items, cells)
        for item in items:
            count += 1
            if self.json:
                self.record(document(item))
            else:
                self.line("\t".join(printable(cell) for cell in cells(item)))
        return count

    def _table(
        self, columns: Sequence[Column], items: Iterable[T], cells: Callable[[T], Sequence[str]]
    ) -> int:
        """The first rows decide how wide the columns are, so that a million rows need no memory."""
        rows = ([printable(cell) for cell in cells(item)] for item in items)
        count = 0
        table: Table | None = None
        while page := list(islice(rows, _ROWS_AT_ONCE)):
            first = table is None
            if table is None or not table.takes(page):
                table = Table.of(columns, page, self.console.width)
            for line in table.lines(page, header=first):
                self.console.print(line, soft_wrap=True)
            count += len(page)
        return count

    @contextmanager
    def progress(self, what: str, *, unit: str = "") -> Iterator[Callable[[float, float], None]]:
        """Shows a bar on stderr while something long runs, if that is a terminal.

        Yields:
            Called with how much is done, and with how much that is of; ``(0.5, 1.0)`` is half.
        """
        if not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(file=sys.stderr, no_color=True if not self._color else None)
        columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
        if unit:
            columns.insert(2, TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + unit))
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=0)

            def show(done: float, total: float) -> None:
                bar.update(task, completed=done, total=total)

            yield show


def _laid_out(value: Any, width: int, before: int = 0) -> Iterator[str]:
    """JSON in lines of at most so many characters, if its texts are; what fits into one is not broken.

    Args:
        value: The value.
        width: How long a line may be.
        before: What stands before the first line.
    """
    whole = json_text(value)
    if before + len(whole) <= width or not value or not isinstance(value, dict | list):
        yield whole
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    last = len(value) - 1
    yield opening
    for index, part in enumerate(value.items() if isinstance(value, dict) else value):
        name, inner = (f"{json_text(part[0])}: ", part[1]) if isinstance(value, dict) else ("", part)
        # Two to the right, and a comma behind.
        lines = list(_laid_out(inner, width - 3, len(name)))
        lines[0] = name + lines[0]
        lines[-1] += "," if index < last else ""
        yield from (f"  {line}" for line in lines)
    yield closing


def _colored_json(text: str) -> Text:
    from rich.highlighter import JSONHighlighter

    return JSONHighlighter()(text)
