"""What the daemon says while it runs: one record a line on stderr, as text for people or as JSON.

The loggers are ``statehouse.<area>``, an area being one of `AREAS`; what else speaks up (Python, asyncio,
gRPC) is let through from ``warning`` on. Facts go into ``extra``: ``key=value`` behind the text, or fields
of the JSON object beside ``time`` (UTC), ``level``, ``logger`` and ``message``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any, Final, Literal

from statehouse.daemon.lines import Lines
from statehouse.programs.words import paragraph, printable

__all__ = ["AREAS", "LogFormat", "begin", "formatter", "levels_of"]

LogFormat = Literal["text", "json"]

AREAS: Final = ("daemon", "engine", "rpc", "storage", "txn")
"""What can have a log level of its own."""

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_COLOURS: Final = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}

_log = logging.getLogger("statehouse.daemon")


def levels_of(text: str) -> dict[str, int]:
    """Gives the level of each area that a text such as ``info,rpc=debug`` names; ``""`` is for the others.

    Raises:
        ValueError: It makes no sense; says what would.
    """
    levels = {"": logging.INFO}
    for part in text.lower().split(","):
        area, equals, level = part.strip().rpartition("=")
        area = area.removeprefix("statehouse.")
        if level not in _LEVELS or (equals and area not in AREAS):
            raise ValueError(
                f"{text!r:.80} is no log level; write one of {', '.join(_LEVELS)}, and if need be AREA=LEVEL "
                f"after a comma (info,rpc=debug), where AREA is one of {', '.join(AREAS)}"
            )
        levels[area] = _LEVELS[level]
    return levels


def begin(levels: str, form: LogFormat, *, fd: int = 2) -> Lines:
    """Has everything that this process logs written to a file descriptor, and gives what writes it.

    Args:
        levels: What is logged; see `levels_of`.
        form: ``text`` or ``json``.
        fd: The file descriptor.

    Raises:
        ValueError: The levels make no sense.
    """
    form_of = formatter(form, color=_takes_colours(fd))
    lines = Lines(fd, lambda count: form_of.format(_lost(count)))
    root = logging.getLogger()
    root.handlers = [_LinesHandler(lines, form_of)]
    root.setLevel(logging.WARNING)
    for area, level in levels_of(levels).items():
        logging.getLogger(f"statehouse.{area}".rstrip(".")).setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _say_uncaught
    threading.excepthook = _say_uncaught_in_thread
    sys.unraisablehook = _say_unraisable
    return lines


def formatter(form: LogFormat, *, color: bool = False) -> logging.Formatter:
    """Gives what makes a line of a record."""
    return _TextFormatter(color=color) if form == "text" else _json_formatter()


def _takes_colours(fd: int) -> bool:
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _lost(count: int) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": _log.name,
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": "the reader of this log does not keep up: lines were dropped",
            "lines": count,
        }
    )


class _LinesHandler(logging.Handler):
    """Puts each record into the lines, made to a line where it was logged."""

    def __init__(self, lines: Lines, formatter: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a record that cannot be shown must not end what it tells of
            line = f"statehoused: a record of {record.name} cannot be shown: {paragraph(repr(error))}"
        self._lines.put(line)


def _utc(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.created * 1000) % 1000:03}Z"


class _TextFormatter(logging.Formatter):
    """``2026-11-23T16:00:00.123Z INFO    daemon   the text  key=value key=value``."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:<7}"
        area = f"{record.name.removeprefix('statehouse.'):<8}"
        facts = " ".join(
            f"{name}={_fact(value)}" for name, value in vars(record).items() if name not in _ORDINARY
        )
        line = " ".join(
            (
                self._styled(_utc(record), "2"),
                self._styled(level, _COLOURS.get(record.levelname, "")),
                area,
                paragraph(record.getMessage()),
            )
        )
        if facts:
            line += "  " + self._styled(facts, "2")
        if record.exc_info:
            text = self.formatException(record.exc_info)
            line += "".join(f"\n    {printable(each)}" for each in text.splitlines())
        return line

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._color and style else text


def _fact(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ",".join(map(_fact, value))
    text = str(value)
    if text and text.isprintable() and not any(each in ' "=' for each in text):
        return text
    return printable(json.dumps(text, ensure_ascii=False))


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    class Formatter(JsonFormatter):
        """One object a line; what stands in every line comes first."""

        def add_fields(
            self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
        ) -> None:
            log_data["time"] = _utc(record)
            log_data["level"] = record.levelname.lower()
            super().add_fields(log_data, record, message_dict)

    return Formatter("{name}{message}", style="{", rename_fields={"name": "logger"}, json_default=str)


def _say_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    _log.critical("an error that nobody foresaw", exc_info=(kind, error, traceback))


def _say_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    _log.error(
        "an error that nobody foresaw ended a thread",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        extra={"in_thread": args.thread.name if args.thread else "?"},
    )


def _say_unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is None:
        return
    _log.error(
        "an error in a place where none can be raised",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )
