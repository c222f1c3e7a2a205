"""Output: safe on a terminal, valid as JSON, shortened where it must be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse.cli.show import full_text, json_text, one_line, piped, printable, shown_bytes, value_json
from statehouse.extend import Payload, encode, register_codec

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers() | texts
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8)


class _Reversed:
    content_type = "text/x-reversed"

    def decode(self, data: bytes) -> str:
        raise AssertionError("a command shows, it does not decode")

    def show(self, data: bytes) -> object:
        if data == b"broken":
            raise RuntimeError("broken")
        return {"reversed": data[::-1].decode()}


@given(values)
def test_printed_json_means_the_value_and_is_printable(value: object) -> None:
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value


@given(values)
def test_indented_json_means_the_value(value: object) -> None:
    text = json_text(value, indent=2)
    assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(text) == value


@given(texts)
def test_a_printable_text_has_nothing_a_terminal_obeys(text: str) -> None:
    assert printable(text).isprintable()


@given(values | st.binary(), st.integers(8, 60))
def test_a_value_in_one_line_is_at_most_as_wide_as_asked(value: object, width: int) -> None:
    text = one_line(encode(value), width)
    assert text.isprintable()
    assert len(text) <= width


def test_a_codec_shows_its_content_type() -> None:
    register_codec(_Reversed())
    payload = Payload("text/x-reversed", b"aet")
    assert value_json(payload) == {"reversed": "tea"}
    assert one_line(payload, 80) == '{"reversed":"tea"}'
    assert piped(payload) == b'{"reversed":"tea"}\n'


def test_what_a_codec_cannot_show_is_bytes() -> None:
    register_codec(_Reversed())
    assert value_json(Payload("text/x-reversed", b"broken")) == {"@bytes": "YnJva2Vu"}


def test_what_is_called_json_and_is_not_is_bytes() -> None:
    assert value_json(Payload("application/json", b"{")) == {"@bytes": "ew=="}
    assert piped(Payload("application/json", b"{")) == b"{\n"


def test_bytes_over_several_lines_are_a_hex_dump_that_says_what_it_leaves_out() -> None:
    lines = full_text(encode(bytes(300))).split("\n")
    assert lines[0] == "application/octet-stream, 300 bytes"
    assert lines[-1] == "… 172 more bytes; get --bytes writes them all"


@pytest.mark.parametrize(
    "size,shown",
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes_are_for_people(size: int, shown: str) -> None:
    assert shown_bytes(size) == shown
