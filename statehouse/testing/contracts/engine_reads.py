"""What reads of single keys, many keys and a key's history answer, now and as of then (G4, G6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, NotFoundError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import DEFAULT_LIMITS
from statehouse.protocol.replies import Entry
from statehouse.protocol.requests import (
    Get,
    GetAtVersion,
    GetMany,
    History,
    ListAgents,
    ListNamespaces,
    Request,
)
from statehouse.protocol.values import encode
from statehouse.testing.contracts.engine_phrases import (
    OpenEngine,
    commit,
    delete,
    entry,
    name,
    pages,
    put,
    scan,
    value,
    write,
    write_bytes,
)


def _three_states(engine: Engine) -> None:
    # 1: k is 1; 2: k is 2; 3: k is deleted; 4: something else.
    put(engine, "k", 1)
    put(engine, "k", 2)
    commit(engine, delete("k"))
    put(engine, "other")


class GetContract:
    """One key."""

    def test_a_key_that_was_never_written(self, engine: Engine) -> None:
        """G4."""
        assert entry(engine) == Entry(name(), None, 0, 0, None)

    def test_a_key_that_exists(self, engine: Engine) -> None:
        """G4."""
        put(engine, "other")
        put(engine, "k", {"a": [1]})
        assert entry(engine) == Entry(name(), encode({"a": [1]}), 1, 2, "write")

    def test_a_deleted_key(self, engine: Engine) -> None:
        """G4."""
        _three_states(engine)
        assert entry(engine) == Entry(name(), None, 3, 3, "delete")

    def test_a_key_written_again_after_a_delete(self, engine: Engine) -> None:
        """G4."""
        _three_states(engine)
        put(engine, "k", "back")
        assert entry(engine) == Entry(name(), encode("back"), 4, 5, "write")

    def test_the_reply_says_what_it_was_read_at(self, engine: Engine) -> None:
        """G3."""
        assert engine.execute(Get(name())).read_ts == 0
        _three_states(engine)
        assert engine.execute(Get(name())).read_ts == 4
        assert engine.execute(Get(name(), at=2)).read_ts == 2

    def test_submit_answers_as_execute_does(self, engine: Engine) -> None:
        """G4."""
        _three_states(engine)
        request = Get(name(), at=1)
        assert engine.submit(request).result(timeout=30) == engine.execute(request)

    def test_names_that_begin_alike_are_other_records(self, engine: Engine) -> None:
        """G4: no character of a name can end it early."""
        names = [
            name(key, agent, namespace)
            for namespace in ("n", "n n", "nn")
            for agent in ("a", "a/", "aa", "\x7f")
            for key in ("k", "k/k", "kk", "a k")
        ]
        for number, record in enumerate(names):
            put(engine, record, number)
        assert [value(engine, record) for record in names] == list(range(len(names)))

    @pytest.mark.parametrize(
        "key", ["ключ", "鍵", "🗝", "\u00e9", "e\u0301", " ", "/", "%00", "\x7f", "\ufeff", "\U0010ffff"]
    )
    def test_names_of_any_script(self, engine: Engine, key: str) -> None:
        """G4: compared as bytes, never normalised."""
        record = name(key, f"agent {key}", f"{key} namespace")
        put(engine, record, key)
        assert value(engine, record) == key
        assert entry(engine, record).key == record


class AsOfContract:
    """Reads at an earlier commit_ts."""

    def test_each_state_reads_as_it_was(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        seen = [
            (entry(engine, at=at).version, entry(engine, at=at).kind, value(engine, at=at)) for at in range(5)
        ]
        assert seen == [
            (0, None, None),
            (1, "write", 1),
            (2, "write", 2),
            (3, "delete", None),
            (3, "delete", None),
        ]

    def test_before_everything_nothing_exists(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        assert entry(engine, at=0) == Entry(name(), None, 0, 0, None)
        assert engine.execute(scan(at=0)).entries == ()
        assert engine.execute(History(name(), at=0)).entries == ()
        assert engine.execute(ListAgents("default", at=0)).agents == ()
        assert engine.execute(ListNamespaces(at=0)).namespaces == ()

    def test_what_was_read_reads_the_same_ever_after(self, engine: Engine) -> None:
        """G6."""
        asked: list[Request[Any]] = [
            Get(name(), 2),
            GetMany((name(), name("b")), 2),
            scan(at=2),
            History(name(), 2),
        ]
        put(engine, "k", 1)
        put(engine, "b", 2)
        before = [engine.execute(request) for request in asked]
        for number in range(20):
            commit(engine, write("k", number), delete("b"), write(f"new{number}"))
        assert [engine.execute(request) for request in asked] == before

    @pytest.mark.parametrize(
        "request_at",
        [
            lambda at: Get(name(), at),
            lambda at: GetMany((name(),), at),
            lambda at: scan(at=at),
            lambda at: History(name(), at),
            lambda at: ListAgents("default", at),
            ListNamespaces,
        ],
        ids=["get", "get_many", "scan", "history", "list_agents", "list_namespaces"],
    )
    def test_no_read_goes_above_the_newest_commit(self, engine: Engine, request_at: Any) -> None:
        """G6: the error names the newest."""
        _three_states(engine)
        assert engine.execute(request_at(4)).read_ts == 4
        with pytest.raises(InvalidArgumentError, match=r"\b4\b"):
            engine.execute(request_at(5))
        for wrong in (-1, True, 1.0, "1"):
            with pytest.raises(InvalidArgumentError):
                engine.execute(request_at(wrong))

    def test_at_the_newest_commit_is_the_same_as_latest(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        assert engine.execute(Get(name("other"), at=4)) == engine.execute(Get(name("other")))


class GetAtVersionContract:
    """One write of a key."""

    def test_each_version_is_found(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        found = [engine.execute(GetAtVersion(name(), version)).entry for version in (1, 2, 3)]
        assert found == [
            Entry(name(), encode(1), 1, 1, "write"),
            Entry(name(), encode(2), 2, 2, "write"),
            Entry(name(), None, 3, 3, "delete"),
        ]

    def test_a_version_that_never_was_is_not_found(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        with pytest.raises(NotFoundError):
            engine.execute(GetAtVersion(name(), 4))

    def test_a_key_that_never_was_is_not_found(self, engine: Engine) -> None:
        """G6."""
        with pytest.raises(NotFoundError):
            engine.execute(GetAtVersion(name("ghost"), 1))

    @pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
    def test_what_is_no_version_is_refused(self, engine: Engine, version: Any) -> None:
        """G8: versions begin at 1."""
        put(engine)
        with pytest.raises(InvalidArgumentError):
            engine.execute(GetAtVersion(name(), version))


class GetManyContract:
    """Many keys at one commit_ts."""

    def test_entries_come_in_the_order_asked(self, engine: Engine) -> None:
        """G3."""
        _three_states(engine)
        keys = (name("other"), name("ghost"), name("k"))
        page = engine.execute(GetMany(keys))
        assert page.entries == tuple(entry(engine, key) for key in keys)
        assert (page.cursor, page.read_ts) == (None, 4)

    def test_a_key_asked_twice_is_answered_twice(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        page = engine.execute(GetMany((name(), name("b"), name())))
        assert [row.version for row in page.entries] == [1, 0, 1]

    def test_keys_may_be_of_many_agents_and_namespaces(self, engine: Engine) -> None:
        """G3."""
        keys = (name("k", "a"), name("k", "b"), name("k", "a", "other"))
        for number, key in enumerate(keys):
            put(engine, key, number)
        assert [row.payload for row in engine.execute(GetMany(keys)).entries] == [encode(n) for n in range(3)]

    def test_no_keys_give_an_empty_page(self, engine: Engine) -> None:
        """G3."""
        put(engine)
        assert (engine.execute(GetMany(())).entries, engine.execute(GetMany(())).read_ts) == ((), 1)

    def test_it_reads_as_of(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        page = engine.execute(GetMany((name(), name("other")), at=2))
        assert [row.version for row in page.entries] == [2, 0]

    @pytest.mark.parametrize("size", [300, 5000])
    def test_a_page_ends_at_its_bytes_and_the_rest_is_asked_for(
        self, open_engine: OpenEngine, size: int
    ) -> None:
        """G8: it has at least one entry, and goes no further than one beyond the bytes of a page."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, page_bytes_max=1000))
        commit(engine, *(write_bytes(f"k{number}", size) for number in range(7)))
        keys = tuple(name(f"k{number}") for number in (3, 1, 1, 9, 6, 0, 2, 5, 4, 1))
        found: list[Entry] = []
        while len(found) < len(keys):
            page = engine.execute(GetMany(keys[len(found) :], at=1))
            assert page.entries
            assert size * (sum(row.exists for row in page.entries) - 1) <= 1000
            assert page.cursor is None
            found += page.entries
        assert found == [entry(engine, key) for key in keys]

    def test_a_malformed_key_is_refused_wherever_it_stands(self, open_engine: OpenEngine) -> None:
        """G8: also when the page would have ended before it."""
        engine = open_engine(limits=replace(DEFAULT_LIMITS, page_bytes_max=1000))
        commit(engine, write_bytes("k", 5000))
        with pytest.raises(InvalidArgumentError):
            engine.execute(GetMany((name(), name(), name("\0"))))


class HistoryContract:
    """Every version of one key."""

    def test_oldest_first_with_deletes(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        page = engine.execute(History(name()))
        assert [(row.version, row.commit_ts, row.kind) for row in page.entries] == [
            (1, 1, "write"),
            (2, 2, "write"),
            (3, 3, "delete"),
        ]
        assert [row.payload for row in page.entries] == [encode(1), encode(2), None]
        assert page.read_ts == 4

    def test_newest_first_in_reverse(self, engine: Engine) -> None:
        """G6."""
        _three_states(engine)
        forward = engine.execute(History(name())).entries
        assert engine.execute(History(name(), reverse=True)).entries == forward[::-1]

    @pytest.mark.parametrize("reverse", [False, True])
    def test_at_bounds_the_newest(self, engine: Engine, reverse: bool) -> None:
        """G6."""
        _three_states(engine)
        page = engine.execute(History(name(), at=2, reverse=reverse))
        assert (sorted(row.version for row in page.entries), page.read_ts) == ([1, 2], 2)

    def test_a_key_that_never_was_has_none(self, engine: Engine) -> None:
        """G6."""
        put(engine, "kk")
        assert engine.execute(History(name())).entries == ()

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    def test_pages_together_are_the_whole(self, engine: Engine, limit: int, reverse: bool) -> None:
        """G6."""
        for number in range(7):
            put(engine, "k", number)
            put(engine, "other", number)
        found = [list(page.entries) for page in pages(engine, History(name(), limit=limit, reverse=reverse))]
        assert all(len(page) == limit for page in found[:-1])
        assert sum(found, []) == list(engine.execute(History(name(), reverse=reverse)).entries)

    def test_a_cursor_does_not_see_later_versions(self, engine: Engine) -> None:
        """G6."""
        put(engine)
        put(engine)
        page = engine.execute(History(name(), limit=1))
        put(engine)
        rest = engine.execute(History(name(), cursor=page.cursor))
        assert ([row.version for row in rest.entries], rest.read_ts, rest.cursor) == ([2], 2, None)
