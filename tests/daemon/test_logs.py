"""What a record looks like, as text and as JSON, and which ones are let through."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from statehouse.daemon.logs import formatter, levels_of

NOON = 1_795_435_200.0625


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("statehouse.rpc").makeRecord(
        "statehouse.rpc", level, __file__, 1, message, args, None, extra=extra
    )
    made.created = NOON
    return made


def text(made: logging.LogRecord) -> str:
    return formatter("text").format(made)


def document(made: logging.LogRecord) -> Any:
    line = formatter("json").format(made)
    assert "\n" not in line
    return json.loads(line)


def failed() -> logging.LogRecord:
    made = record("it failed", level=logging.ERROR)
    try:
        int("x")
    except ValueError:
        made.exc_info = (ValueError, ValueError("one\ntwo\x1b[31m"), sys.exc_info()[2])
    return made


def test_a_line_of_text_has_time_level_area_message_and_facts() -> None:
    made = record("call %s", "GetState", code="OK", took_ms=1.5, key="a b", none=None, ok=True, on=("x", "y"))
    assert text(made) == (
        "2026-11-23T12:00:00.062Z INFO    rpc      call GetState"
        '  code=OK took_ms=1.5 key="a b" none=null ok=true on=x,y'
    )


def test_a_line_of_json_has_the_same() -> None:
    made = record("call %s", "GetState", code="OK", took_ms=1.5, key="a b", none=None, ok=True, on=("x", "y"))
    assert document(made) == {
        "time": "2026-11-23T12:00:00.062Z",
        "level": "info",
        "logger": "statehouse.rpc",
        "message": "call GetState",
        "code": "OK",
        "took_ms": 1.5,
        "key": "a b",
        "none": None,
        "ok": True,
        "on": ["x", "y"],
    }


def test_json_begins_with_what_stands_in_every_line() -> None:
    assert list(document(record("x", a=1)))[:4] == ["time", "level", "logger", "message"]


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert document(record("x", path=Path("/a"), key={1}))["path"] == "/a"


@pytest.mark.parametrize("hostile", ["a\nb", "a\x1b[31mb", "a\x85b", "a\u2028b", "a\u202eb"])
def test_nothing_that_a_client_sends_makes_a_line_of_its_own(hostile: str) -> None:
    line = text(record(hostile, key=hostile))
    assert line.isprintable()
    assert document(record(hostile, key=hostile))["key"] == hostile


def test_a_traceback_is_indented_in_text() -> None:
    first, *rest = text(failed()).split("\n")
    assert first.endswith("ERROR   rpc      it failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == r"    two\x1b[31m"


def test_a_traceback_is_a_field_in_json() -> None:
    assert document(failed())["exc_info"].endswith("ValueError: one\ntwo\x1b[31m")


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" in formatter("text", color=True).format(record("x"))
    assert "\x1b[" not in text(record("x"))


@pytest.mark.parametrize(
    "said, levels",
    [
        ("debug", {"": logging.DEBUG}),
        ("Warning", {"": logging.WARNING}),
        ("error,rpc=debug", {"": logging.ERROR, "rpc": logging.DEBUG}),
        ("rpc=debug", {"": logging.INFO, "rpc": logging.DEBUG}),
        ("info, statehouse.txn=error", {"": logging.INFO, "txn": logging.ERROR}),
    ],
)
def test_levels_are_for_everything_or_for_an_area(said: str, levels: dict[str, int]) -> None:
    assert levels_of(said) == levels


@pytest.mark.parametrize("said", ["", "loud", "info,", "rpc=", "=info", "rpx=info", "info rpc=debug", "10"])
def test_what_is_no_level_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="is no log level"):
        levels_of(said)


def test_whatever_a_process_has_to_say_is_a_record() -> None:
    program = """
import logging, threading, warnings
from statehouse.daemon import logs
lines = logs.begin("info,txn=debug", "json")
logging.getLogger("statehouse.rpc").debug("not this")
logging.getLogger("statehouse.txn").debug("a transaction")
logging.getLogger("elsewhere").info("not this")
logging.getLogger("elsewhere").warning("of another library")
logging.getLogger("statehouse.rpc").info("no %d", "number")
warnings.warn("of Python")
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
class Odd:
    def __del__(self):
        raise ValueError("odd")
Odd()
try:
    raise RuntimeError("at the end")
finally:
    lines.flush(60)
    import atexit
    atexit.register(lines.flush, 60)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [(record["logger"], record["level"]) for record in records] == [
        ("statehouse.txn", "debug"),
        ("elsewhere", "warning"),
        ("py.warnings", "warning"),
        ("statehouse.daemon", "error"),
        ("statehouse.daemon", "error"),
        ("statehouse.daemon", "critical"),
    ]
    assert records[3]["in_thread"] == "worker"
    assert [record["exc_info"].splitlines()[-1] for record in records[3:]] == [
        "ZeroDivisionError: division by zero",
        "ValueError: odd",
        "RuntimeError: at the end",
    ]
    [odd] = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert odd.startswith("statehoused: a record of statehouse.rpc cannot be shown: TypeError(")
