"""What `grow` finds: parts that add up to the new value, shaped so that the next growth shares them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from statehouse.extend import Copy, Part, grow


def whole(old: bytes, parts: tuple[Part, ...]) -> bytes:
    return b"".join(old[part.start : part.stop] if isinstance(part, Copy) else part for part in parts)


def new_bytes(parts: tuple[Part, ...]) -> int:
    return sum(len(part) for part in parts if isinstance(part, bytes))


def lines(first: int, last: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"line {n} " * 8} for n in range(first, last)]


def as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 90), st.text("ab", max_size=90)), max_size=4)


@given(st.text("ab", max_size=400), edits)
def test_the_parts_add_up(text: str, changes: list[tuple[int, int, str]]) -> None:
    old, new = text.encode(), bytearray(text.encode())
    for start, length, put in changes:
        new[start : start + length] = put.encode()
    parts = grow(old, bytes(new), shared_bytes_min=1)
    assert parts is None or whole(old, parts) == bytes(new)


def test_an_appended_list_is_a_copy_the_new_item_and_the_bracket() -> None:
    old, new = as_json(lines(0, 50)), as_json(lines(0, 51))
    assert grow(old, new) == (Copy(0, len(old) - 1), b"," + as_json(lines(50, 51))[1:-1], b"]")


def test_a_list_inside_an_object_keeps_its_closing_apart() -> None:
    old, new = as_json({"m": lines(0, 50)}), as_json({"m": lines(0, 51)})
    parts = grow(old, new)
    assert parts is not None
    assert parts[-1] == b"]}"


def test_a_length_header_is_a_part_of_its_own() -> None:
    body = as_json(lines(0, 60))
    old, new = b"\xdc\x00\x0f" + body[:4000], b"\xdc\x00\x10" + body[:4100]
    assert grow(old, new) == (b"\xdc\x00\x10", Copy(3, len(old)), body[4000:4100])


def test_a_header_may_change_its_width() -> None:
    body = as_json(lines(0, 60))
    old, new = b"\x9f" + body[:4000], b"\xdc\x00\x10" + body[:4100]
    assert grow(old, new) == (b"\xdc\x00\x10", Copy(1, len(old)), body[4000:4100])


def test_a_trimmed_list_is_found_inside_the_old_one() -> None:
    old, new = as_json(lines(0, 50)), as_json(lines(10, 51))
    parts = grow(old, new)
    assert parts is not None
    assert whole(old, parts) == new
    assert new_bytes(parts) < 200


def test_an_edit_in_the_middle_costs_the_edit() -> None:
    edited = [*lines(0, 25), {"role": "user", "content": "edited"}, *lines(26, 50)]
    old, new = as_json(lines(0, 50)), as_json(edited)
    parts = grow(old, new)
    assert parts is not None
    assert whole(old, parts) == new
    assert new_bytes(parts) < 100


def test_the_same_value_is_one_copy() -> None:
    old = as_json(lines(0, 50))
    assert grow(old, old) == (Copy(0, len(old)),)


def test_what_shares_too_little_is_whole() -> None:
    assert grow(as_json(lines(0, 3)), as_json(lines(0, 4))) is None
    assert grow(b"a" * 5000, b"b" * 5000) is None
    assert grow(b"", b"x" * 5000) is None
