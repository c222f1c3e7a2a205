"""Lines leave the process without holding anybody up, whatever becomes of their reader."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from statehouse.daemon.lines import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue


def to(writer: int, bytes_max: int = 1 << 20) -> Lines:
    return Lines(writer, "{} were lost".format, bytes_max=bytes_max)


def fill(writer: int) -> int:
    """Makes a pipe as full as it gets, and gives how many bytes are in it."""
    os.set_blocking(writer, False)
    size = 0
    try:
        while True:
            size += os.write(writer, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
        return size


def drain(reader: int, size: int) -> None:
    while size:
        size -= len(os.read(reader, size))


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    lines = to(pipe[1])
    for number in range(1000):
        lines.put(str(number))
    assert lines.flush(60)
    assert os.read(pipe[0], 65536).decode().splitlines() == [str(number) for number in range(1000)]


def test_what_cannot_be_encoded_is_escaped(pipe: tuple[int, int]) -> None:
    lines = to(pipe[1])
    lines.put("a\udc80\u6f22")
    assert lines.flush(60)
    assert os.read(pipe[0], 100) == b"a\\udc80\xe6\xbc\xa2\n"


def test_nobody_waits_for_a_reader_and_what_was_dropped_is_counted(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    full = fill(writer)
    lines = to(writer, bytes_max=100)
    for _ in range(1000):
        lines.put("123456789")
    assert not lines.flush(0.01)
    drain(reader, full)
    assert lines.flush(60)
    seen = os.read(reader, 65536).decode().splitlines()
    kept = seen.count("123456789")
    # What the thread had taken already is no longer waiting.
    assert 10 <= kept <= 20
    assert [line for line in seen if line != "123456789"] == [f"{1000 - kept} were lost"]
    lines.put("again")
    assert lines.flush(60)
    assert os.read(reader, 100) == b"again\n"


def test_a_reader_that_went_away_ends_nothing(pipe: tuple[int, int]) -> None:
    lines = to(pipe[1])
    os.close(pipe[0])
    for _ in range(100):
        lines.put("nobody hears this")
    assert lines.flush(60)


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    full = fill(writer)
    os.set_blocking(writer, False)
    lines = to(writer)
    lines.put("x" * 200_000)
    drain(reader, full)
    drain(reader, 200_001)
    assert lines.flush(60)
