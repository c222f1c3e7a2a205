"""Values made of parts of earlier ones: how a growing value costs what is new (G1, G6)."""

from __future__ import annotations

from concurrent.futures import wait
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, NotFoundError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Copy, Extend
from statehouse.protocol.values import BYTES, JSON
from statehouse.testing.contracts.engine_phrases import (
    commit,
    delete,
    entry,
    everything,
    name,
    newest,
    put,
    transaction,
    value,
    write,
)


def _extend(base: str, version: int, *parts: Copy | bytes, key: str = "k") -> Extend:
    return Extend(name(key), name(base), version, parts, BYTES)


class ExtendContract:
    """A value made of parts of an earlier one (G6): how a growing value costs what is new."""

    def test_it_appends(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"hello")
        commit(engine, _extend("k", 1, Copy(0, 5), b" world"))
        assert (value(engine), entry(engine).version, entry(engine).kind) == (b"hello world", 2, "write")

    def test_the_base_stays_as_it_was(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"hello")
        commit(engine, _extend("k", 1, Copy(0, 5), b" world"))
        assert value(engine, at=1) == b"hello"

    def test_parts_may_be_reordered_repeated_and_cut(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"abcdef")
        commit(engine, _extend("k", 1, b"<", Copy(4, 6), Copy(0, 2), Copy(0, 2), b">"))
        assert value(engine) == b"<efabab>"

    def test_another_key_of_the_agent_may_be_the_base(self, engine: Engine) -> None:
        """G6."""
        put(engine, "base", b"shared")
        commit(engine, _extend("base", 1, Copy(0, 6), b"!"))
        assert (value(engine), value(engine, "base"), entry(engine).version) == (b"shared!", b"shared", 1)

    def test_an_older_version_may_be_the_base(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"one")
        put(engine, "k", b"two")
        commit(engine, _extend("k", 1, Copy(0, 3), b"+"))
        assert value(engine) == b"one+"

    def test_a_version_before_a_delete_may_be_the_base(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"one")
        commit(engine, delete())
        commit(engine, _extend("k", 1, Copy(0, 3), b"+"))
        assert value(engine) == b"one+"

    def test_the_content_type_is_its_own(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"[1")
        commit(engine, Extend(name(), name(), 1, (Copy(0, 2), b",2]"), JSON))
        assert value(engine) == [1, 2]

    def test_it_grows_again_and_again(self, engine: Engine) -> None:
        """G6: however the engine shares the bytes, every version reads whole."""
        whole = b"["
        put(engine, "k", whole)
        expected = [whole]
        for number in range(1, 60):
            new = b"%d," % number * (number * 7)
            commit(engine, _extend("k", number, Copy(0, len(whole)), new, b"]"))
            commit_of = newest(engine)
            whole += new + b"]"
            expected.append(whole)
            assert commit_of == number + 1
        assert [value(engine, at=at) for at in range(1, 61)] == expected

    def test_a_growing_tail_is_cut_and_replaced(self, engine: Engine) -> None:
        """G6: the closing bracket of a list moves on with every element."""
        expected = [b"[]"]
        put(engine, "k", b"[]")
        for number in range(1, 40):
            kept = len(expected[-1]) - 1
            new = b"x" * 3000 if number % 5 == 0 else b"y"
            commit(engine, _extend("k", number, Copy(0, kept), new, b"]"))
            expected.append(expected[-1][:kept] + new + b"]")
        assert [value(engine, at=at) for at in range(1, 41)] == expected

    def test_large_bases_are_cut_anywhere(self, engine: Engine) -> None:
        """G6."""
        base = bytes(range(256)) * 1024
        put(engine, "base", base)
        cuts = [(0, 262_144), (1, 262_143), (65_535, 65_537), (65_536, 131_072), (200_000, 200_001)]
        for version, (start, stop) in enumerate(cuts, 1):
            commit(engine, _extend("base", 1, b"<", Copy(start, stop), b">"))
            assert (entry(engine).version, value(engine)) == (version, b"<" + base[start:stop] + b">")

    def test_the_event_has_the_whole_value(self, engine: Engine) -> None:
        """G7."""
        put(engine, "k", b"hello")
        commit(engine, _extend("k", 1, Copy(0, 5), b" world"))
        assert everything(engine)[1].operations[0].value == b"hello world"

    @pytest.mark.parametrize("part", [Copy(0, 6), Copy(5, 6), Copy(6, 6)])
    def test_a_range_outside_the_base_is_refused(self, engine: Engine, part: Copy) -> None:
        """G8."""
        put(engine, "k", b"hello")
        with pytest.raises(InvalidArgumentError):
            commit(engine, _extend("k", 1, part))
        assert newest(engine) == 1

    @pytest.mark.parametrize("part", [Copy(-1, 2), Copy(3, 2), Copy(0, True), "text", None])
    def test_a_part_that_makes_no_sense_is_refused(self, engine: Engine, part: Any) -> None:
        """G8."""
        put(engine, "k", b"hello")
        with pytest.raises(InvalidArgumentError):
            commit(engine, _extend("k", 1, part))
        assert newest(engine) == 1

    @pytest.mark.parametrize("base", [name("k", "critic"), name("k", namespace="other")])
    def test_a_base_of_another_agent_is_refused(self, engine: Engine, base: Any) -> None:
        """G8."""
        put(engine, base, b"hello")
        with pytest.raises(InvalidArgumentError):
            commit(engine, Extend(name(), base, 1, (Copy(0, 5),), BYTES))
        assert newest(engine) == 1

    def test_a_base_that_never_was_is_not_found(self, engine: Engine) -> None:
        """G6."""
        with pytest.raises(NotFoundError):
            commit(engine, _extend("k", 1, b"x"))
        assert newest(engine) == 0

    def test_a_version_that_never_was_is_not_found(self, engine: Engine) -> None:
        """G6."""
        put(engine, "k", b"hello")
        with pytest.raises(NotFoundError):
            commit(engine, _extend("k", 2, b"x"))

    def test_a_tombstone_is_no_base(self, engine: Engine) -> None:
        """G6."""
        commit(engine, delete())
        with pytest.raises(NotFoundError):
            commit(engine, _extend("k", 1, b"x"))

    def test_a_write_of_the_same_commit_is_no_base(self, engine: Engine) -> None:
        """G1: an operation sees the store before its commit."""
        with pytest.raises(NotFoundError):
            commit(engine, write("base", b"hello"), _extend("base", 1, Copy(0, 5)))
        assert newest(engine) == 0

    def test_a_commit_with_a_bad_extend_applies_nothing(self, engine: Engine) -> None:
        """G1."""
        with pytest.raises(StatehouseError):
            commit(engine, write("first"), _extend("k", 1, b"x"))
        assert (newest(engine), entry(engine, "first").kind) == (0, None)

    def test_submitted_extends_see_the_commits_before_them(self, engine: Engine) -> None:
        """G1: members of one commit group come one after the other."""
        first = engine.submit(transaction(write("k", b"a")))
        rest = [
            engine.submit(transaction(_extend("k", version, Copy(0, version), b"a")))
            for version in range(1, 30)
        ]
        wait([first, *rest], timeout=30)
        applied = [future for future in (first, *rest) if future.exception() is None]
        assert value(engine) == b"a" * len(applied)
