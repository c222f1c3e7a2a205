"""What scans answer, and what their cursors promise (G3, G6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, StoreChangedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import Limits
from statehouse.protocol.replies import Entry
from statehouse.protocol.requests import Check, History, ListAgents, ListNamespaces, Request, Scan
from statehouse.protocol.values import encode
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    OpenEngine,
    commit,
    delete,
    entry,
    keys,
    name,
    pages,
    put,
    scan,
    write,
    write_bytes,
)

KEYS = ["a", "a/1", "a/10", "a/2", "a0", "b", "b/\x7f", "é", "鍵", "\U0001f5dd"]


def _fill(engine: Engine) -> None:
    # In an order that is not the order of the keys, with neighbours that must not show.
    commit(engine, *(write(key, key) for key in reversed(KEYS)))
    commit(
        engine, write(name("a/1", "planner2")), write(name("a/1", AGENT, "other")), write(name("z", "plan"))
    )


class ScanContract:
    """The existing keys of an agent by prefix."""

    def test_keys_come_in_byte_order(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        assert keys(engine.execute(scan())) == sorted(KEYS, key=str.encode)

    def test_reverse_is_from_the_last_to_the_first(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        assert keys(engine.execute(scan(reverse=True))) == sorted(KEYS, key=str.encode, reverse=True)

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize(
        "prefix", ["", "a", "a/", "a/1", "b", "é", "鍵", "\U0001f5dd", "c", "a/100", "\U0010ffff"]
    )
    def test_only_keys_with_the_prefix(self, engine: Engine, prefix: str, reverse: bool) -> None:
        """G3."""
        _fill(engine)
        expected = sorted((key for key in KEYS if key.startswith(prefix)), key=str.encode, reverse=reverse)
        assert keys(engine.execute(scan(prefix, reverse=reverse))) == expected

    def test_rows_are_what_get_answers(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        put(engine, "a/1", "again")
        page = engine.execute(scan())
        assert list(page.entries) == [entry(engine, row.key) for row in page.entries]
        assert (page.cursor, page.read_ts) == (None, 3)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_deleted_keys_are_left_out(self, engine: Engine, reverse: bool) -> None:
        """G3."""
        _fill(engine)
        gone = KEYS[::2]
        commit(engine, *(delete(key) for key in gone), delete("ghost"))
        found = keys(engine.execute(scan(reverse=reverse)))
        assert sorted(found) == sorted(set(KEYS) - set(gone))

    def test_keys_only_leaves_the_payloads_out(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        whole = engine.execute(scan()).entries
        listed = engine.execute(scan(keys_only=True)).entries
        assert listed == tuple(replace(row, payload=None) for row in whole)
        assert {row.kind for row in listed} == {"write"}

    def test_an_agent_without_keys_has_an_empty_page(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        page = engine.execute(scan(agent_id="nobody"))
        assert (page.entries, page.cursor, page.read_ts) == ((), None, 2)

    def test_it_reads_as_of(self, engine: Engine) -> None:
        """G6."""
        put(engine, "a", 1)
        put(engine, "b", 1)
        commit(engine, delete("a"), write("b", 2), write("c", 1))
        seen = [
            [(row.key.key, row.version) for row in engine.execute(scan(at=at)).entries] for at in range(4)
        ]
        assert seen == [[], [("a", 1)], [("a", 1), ("b", 1)], [("b", 2), ("c", 1)]]

    def test_a_page_as_of_has_the_values_of_then(self, engine: Engine) -> None:
        """G6."""
        put(engine, "a", "then")
        put(engine, "a", "now")
        assert [row.payload for row in engine.execute(scan(at=1)).entries] == [encode("then")]

    @pytest.mark.parametrize("after", ["a", "a/1", "a/10", "a/11", "0", "zz", "\U0010ffff"])
    @pytest.mark.parametrize("prefix", ["", "a/"])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_after_begins_strictly_after_that_key(
        self, engine: Engine, after: str, prefix: str, reverse: bool
    ) -> None:
        """G3: before it, in reverse; the key itself need not exist nor have the prefix."""
        _fill(engine)
        expected = sorted(
            key for key in KEYS if key.startswith(prefix) and (key < after if reverse else key > after)
        )
        found = engine.execute(scan(prefix, after=after, reverse=reverse))
        assert sorted(keys(found)) == expected

    def test_after_reads_as_of(self, engine: Engine) -> None:
        """G6."""
        put(engine, "a")
        put(engine, "b")
        put(engine, "c")
        assert keys(engine.execute(scan(after="a", at=2))) == ["b"]


class ScanPagesContract:
    """Pages and cursors of a scan."""

    @pytest.mark.parametrize("keys_only", [False, True])
    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("limit", [1, 3, 9, 10, 11])
    def test_pages_together_are_the_whole(
        self, engine: Engine, limit: int, reverse: bool, keys_only: bool
    ) -> None:
        """G3."""
        _fill(engine)
        request = scan(reverse=reverse, keys_only=keys_only)
        found = list(pages(engine, replace(request, limit=limit)))
        assert [len(page.entries) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert sum((list(page.entries) for page in found), []) == list(engine.execute(request).entries)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_the_page_that_ends_with_the_last_row_has_no_cursor(self, engine: Engine, reverse: bool) -> None:
        """G3: also when the limit is reached exactly, and deleted keys come behind."""
        commit(engine, write("b"), write("c"), write("a"), write("d"))
        commit(engine, delete("a"), delete("d"))
        page = engine.execute(scan(limit=2, reverse=reverse))
        assert (len(page.entries), page.cursor) == (2, None)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_cursor_goes_on_at_its_own_commit_ts(self, engine: Engine, reverse: bool) -> None:
        """G3, G6: commits that came in between are not seen."""
        _fill(engine)
        expected = list(engine.execute(scan(reverse=reverse)).entries)
        found: list[Entry] = []
        request = scan(reverse=reverse, limit=2)
        while True:
            page = engine.execute(request)
            found += page.entries
            assert page.read_ts == 2
            changes = [delete(key) if key == "b" else write(key, "changed") for key in KEYS[1::2]]
            commit(engine, *changes, write(f"a/1{len(found)}x"))
            if page.cursor is None:
                break
            request = replace(request, cursor=page.cursor)
        assert found == expected

    def test_pages_as_of_go_on_as_of(self, engine: Engine) -> None:
        """G6."""
        _fill(engine)
        commit(engine, *(delete(key) for key in KEYS))
        found = list(pages(engine, scan(limit=3, at=2)))
        assert [page.read_ts for page in found] == [2] * 4
        assert sum((keys(page) for page in found), []) == sorted(KEYS, key=str.encode)

    def test_a_page_that_began_after_a_key_goes_on(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        found = list(pages(engine, scan(limit=2, after="a/1")))
        assert sum((keys(page) for page in found), []) == [key for key in sorted(KEYS) if key > "a/1"]

    def test_a_cursor_may_be_used_twice(self, engine: Engine) -> None:
        """G6: cursors are values; the engine keeps nothing for them."""
        _fill(engine)
        cursor = engine.execute(scan(limit=3)).cursor
        assert engine.execute(scan(cursor=cursor)) == engine.execute(scan(cursor=cursor))

    def test_the_limit_may_change_from_page_to_page(self, engine: Engine) -> None:
        """G3."""
        _fill(engine)
        cursor = engine.execute(scan(limit=3)).cursor
        assert keys(engine.execute(scan(limit=5, cursor=cursor))) == sorted(KEYS)[3:8]

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_page_ends_at_its_bytes(self, open_engine: OpenEngine, reverse: bool) -> None:
        """G3: bytes of values; it may end just before or just after them, but goes no further."""
        engine = open_engine(limits=replace(Limits(), page_bytes_max=1000))
        commit(engine, *(write_bytes(f"k{number}", 300) for number in range(7)))
        found = list(pages(engine, scan(reverse=reverse)))
        assert sorted(sum((keys(page) for page in found), [])) == [f"k{number}" for number in range(7)]
        assert all(300 * (len(page.entries) - 1) <= 1000 for page in found)

    def test_a_page_has_at_least_one_row(self, open_engine: OpenEngine) -> None:
        """G3."""
        engine = open_engine(limits=replace(Limits(), page_bytes_max=1000))
        commit(engine, *(write_bytes(f"k{number}", 5000) for number in range(3)))
        assert [keys(page) for page in pages(engine, scan())] == [["k0"], ["k1"], ["k2"]]

    def test_keys_only_pages_do_not_end_at_the_bytes_of_values(self, open_engine: OpenEngine) -> None:
        """G3."""
        engine = open_engine(limits=replace(Limits(), page_bytes_max=1000))
        commit(engine, *(write_bytes(f"k{number}", 5000) for number in range(3)))
        assert keys(engine.execute(scan(keys_only=True))) == ["k0", "k1", "k2"]


def _cursors(engine: Engine) -> dict[str, tuple[Request[Any], str]]:
    # For every request that has one: the request, and a cursor that continues it.
    commit(
        engine,
        write("a"),
        write("b"),
        write("c"),
        write(name("a", "critic")),
        write(name("a", AGENT, "other")),
    )
    put(engine, "a")
    asked: dict[str, Request[Any]] = {
        "scan": scan(limit=1),
        "history": History(name("a"), limit=1),
        "agents": ListAgents(NAMESPACE, limit=1),
        "namespaces": ListNamespaces(limit=1),
        "check": Check(limit=1),
    }
    found: dict[str, tuple[Request[Any], str]] = {}
    for what, request in asked.items():
        page = engine.execute(request)
        assert page.cursor is not None, what
        found[what] = (request, page.cursor)
    return found


OTHER_SCANS: dict[str, Callable[[], Scan]] = {
    "prefix": lambda: scan("a"),
    "agent": lambda: scan(agent_id="critic"),
    "namespace": lambda: scan(namespace="other"),
    "direction": lambda: scan(reverse=True),
    "split of the names": lambda: scan(namespace=NAMESPACE[:-1], agent_id=NAMESPACE[-1] + AGENT),
}


class CursorsContract:
    """What a cursor is good for, and nothing else."""

    @pytest.mark.parametrize("what", ["scan", "history", "agents", "namespaces", "check"])
    def test_a_cursor_continues_its_request(self, engine: Engine, what: str) -> None:
        """G3."""
        request, cursor = _cursors(engine)[what]
        further: Request[Any] = replace(request, cursor=cursor)  # type: ignore[call-arg]
        assert engine.execute(further) != engine.execute(request)

    @pytest.mark.parametrize("to", ["scan", "history", "agents", "namespaces", "check"])
    def test_a_cursor_of_another_kind_of_request_is_refused(self, engine: Engine, to: str) -> None:
        """G8."""
        cursors = _cursors(engine)
        request, _ = cursors.pop(to)
        for _, cursor in cursors.values():
            with pytest.raises(InvalidArgumentError):
                engine.execute(replace(request, cursor=cursor))  # type: ignore[call-arg]

    @pytest.mark.parametrize("other", OTHER_SCANS.values(), ids=OTHER_SCANS.keys())
    def test_a_cursor_of_another_scan_is_refused(self, engine: Engine, other: Callable[[], Scan]) -> None:
        """G8."""
        _, cursor = _cursors(engine)["scan"]
        with pytest.raises(InvalidArgumentError):
            engine.execute(replace(other(), cursor=cursor))

    def test_a_cursor_of_another_history_is_refused(self, engine: Engine) -> None:
        """G8."""
        _, cursor = _cursors(engine)["history"]
        for other in (History(name("b")), History(name("a", "critic")), History(name("a"), reverse=True)):
            with pytest.raises(InvalidArgumentError):
                engine.execute(replace(other, cursor=cursor))

    def test_a_cursor_of_another_namespaces_agents_is_refused(self, engine: Engine) -> None:
        """G8."""
        _, cursor = _cursors(engine)["agents"]
        with pytest.raises(InvalidArgumentError):
            engine.execute(ListAgents("other", cursor=cursor))

    @pytest.mark.parametrize("what", ["scan", "history", "agents", "namespaces", "check"])
    @pytest.mark.parametrize(
        "garbage",
        ["", "x", "AAAA", "=", "é", "\x00", "🗝🗝", "A" * 10_000, "....", 7, b"AAAA", True],
        ids=lambda wrong: f"{wrong!r:.12}",
    )
    def test_garbage_is_refused(self, engine: Engine, what: str, garbage: Any) -> None:
        """G8."""
        request, _ = _cursors(engine)[what]
        with pytest.raises(InvalidArgumentError):
            engine.execute(replace(request, cursor=garbage))  # type: ignore[call-arg]

    @pytest.mark.parametrize("what", ["scan", "history", "agents", "namespaces", "check"])
    def test_a_cursor_that_was_tampered_with_is_refused(self, engine: Engine, what: str) -> None:
        """G8: any character changed, or a part cut off."""
        request, cursor = _cursors(engine)[what]
        places = range(0, len(cursor) - 4, max(1, len(cursor) // 24))
        forged = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in places]
        for wrong in (*forged, cursor[:-4], cursor[4:], cursor + "AAAA", cursor + cursor):
            with pytest.raises((InvalidArgumentError, StoreChangedError)):
                engine.execute(replace(request, cursor=wrong))  # type: ignore[call-arg]

    @pytest.mark.parametrize("what", ["scan", "history", "agents", "namespaces", "check"])
    def test_a_cursor_of_another_store_is_refused(self, open_engine: OpenEngine, what: str) -> None:
        """G6: it names history that this store does not have."""
        _, cursor = _cursors(open_engine())[what]
        here = open_engine()
        request, _ = _cursors(here)[what]
        with pytest.raises(StoreChangedError):
            here.execute(replace(request, cursor=cursor))  # type: ignore[call-arg]

    @pytest.mark.parametrize("what", ["scan", "history", "agents", "namespaces"])
    def test_a_cursor_and_a_commit_ts_together_are_refused(self, engine: Engine, what: str) -> None:
        """G8: a cursor has its own."""
        request, cursor = _cursors(engine)[what]
        with pytest.raises(InvalidArgumentError):
            engine.execute(replace(request, cursor=cursor, at=1))  # type: ignore[call-arg]

    def test_a_cursor_and_a_key_to_begin_after_are_refused(self, engine: Engine) -> None:
        """G8."""
        request, cursor = _cursors(engine)["scan"]
        with pytest.raises(InvalidArgumentError):
            engine.execute(replace(request, cursor=cursor, after="a"))  # type: ignore[call-arg]
