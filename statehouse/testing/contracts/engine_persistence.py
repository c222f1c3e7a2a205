"""What a store is after it was closed and opened again (G2, G5, G6, G7).

For engines whose store outlives them: the fixture `reopen` closes an engine and opens its store again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import AlreadyExistsError, ConflictError
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import (
    Copy,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LookupTxn,
    Request,
    Status,
)
from statehouse.protocol.values import BYTES
from statehouse.testing.contracts.engine_counts import check_all
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    OpenEngine,
    Reopen,
    SetClock,
    commit,
    delete,
    entry,
    everything,
    name,
    newest,
    put,
    scan,
    transaction,
    value,
    write,
)


class PersistenceContract:
    """Close and open again."""

    def test_everything_reads_as_before(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G2, G6: now and as of every commit."""
        engine = open_engine()
        put(engine, "a", {"x": 1})
        commit(engine, write("b", b"x" * 5000), delete("a"), write(name("c", "critic", "other")))
        commit(engine, Extend(name("b"), name("b"), 1, (Copy(0, 4000), b"tail"), BYTES), write("a", 2))
        asked: list[Request[Any]] = [
            History(name("a")),
            History(name("b")),
            ListAgents(NAMESPACE),
            ListNamespaces(),
        ]
        asked += [Get(name(key), at) for key in "ab" for at in range(4)]
        asked += [scan(at=at) for at in range(4)]
        asked += [GetAtVersion(name("a"), 2), FindEvents("run", "r")]
        before = [engine.execute(request) for request in asked]
        log = everything(engine)
        engine = reopen(engine)
        assert [engine.execute(request) for request in asked] == before
        assert everything(engine) == log

    def test_what_was_erased_stays_erased(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G2, G6."""
        engine = open_engine()
        for kept in (b"small", b"x" * 5000):
            put(engine, "k", kept)
        request = Erase(NAMESPACE, AGENT, ("k",))
        page = engine.execute(request)
        while page.cursor is not None:
            page = engine.execute(replace(request, cursor=page.cursor))
        log = everything(engine)
        engine = reopen(engine)
        assert [each.kind for each in engine.execute(History(name())).entries] == ["erased", "erased"]
        assert everything(engine) == log
        check_all(engine)

    def test_numbering_goes_on(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G6."""
        engine = open_engine()
        put(engine)
        put(engine)
        engine = reopen(engine)
        assert (newest(engine), put(engine), entry(engine).version) == (2, 3, 3)

    def test_an_empty_store_opens_again(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G2."""
        engine = reopen(open_engine())
        assert (newest(engine), put(engine)) == (0, 1)

    def test_the_store_is_the_same_store(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G6: id, epoch, head digest."""
        engine = open_engine()
        put(engine)
        before = engine.execute(Status())
        after = reopen(engine).execute(Status())
        assert (after.store_id, after.epoch, after.epochs) == (before.store_id, before.epoch, before.epochs)
        assert (after.head_digest, after.commit_ts) == (before.head_digest, before.commit_ts)

    def test_a_repeat_is_still_a_repeat(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G5: also across a restart."""
        engine = open_engine()
        request = transaction(write("k", "once"))
        first = engine.execute(request)
        engine = reopen(engine)
        assert engine.execute(request) == replace(first, repeated=True)
        with pytest.raises(AlreadyExistsError):
            engine.execute(replace(request, operations=(write("k", "other"),)))
        assert newest(engine) == 1

    def test_an_id_is_still_known(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G5."""
        engine = open_engine()
        commit(engine, write(), txn_id="t")
        engine = reopen(engine)
        assert [engine.execute(LookupTxn(txn)).outcome for txn in ("t", "u")] == ["committed", "absent"]

    def test_conflicts_are_still_found(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G3: the engine's memory of recent writes is gone, the conflict is not."""
        engine = open_engine()
        put(engine, "a")
        put(engine, "a")
        put(engine, "b")
        commit(engine, delete("b"))
        engine = reopen(engine)
        listed = replace(_range("b"), keys_only=True)
        for reads in ({"reads": (name("a"),)}, {"ranges": (_range("b"),)}, {"ranges": (listed,)}):
            with pytest.raises(ConflictError):
                commit(engine, write(), read_ts=1, **reads)
        assert commit(engine, write(), read_ts=2, reads=(name("a"),)).commit_ts == 5

    def test_which_commit_changed_a_range_is_still_known(
        self, open_engine: OpenEngine, reopen: Reopen
    ) -> None:
        """G3: a key that came, went and came back, and was then overwritten."""
        engine = open_engine()
        for operation in (write("b"), delete("b"), write("b"), write("b")):
            commit(engine, operation)
        engine = reopen(engine)
        for span, changed in ((_range("b"), 4), (replace(_range("b"), keys_only=True), 3)):
            with pytest.raises(ConflictError) as caught:
                commit(engine, write("c"), read_ts=1, ranges=(span,))
            assert (caught.value.keys, caught.value.commit_ts) == ((span,), changed)
        listed = replace(_range("b"), keys_only=True)
        assert commit(engine, write("c"), read_ts=3, ranges=(listed,)).commit_ts == 5

    def test_origins_are_still_found(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G7."""
        engine = open_engine()
        origin = Origin("ab" * 16, "cd" * 8, "planner", "run", "step", {"name": "value"})
        commit(engine, write(), origin=origin)
        page = reopen(engine).execute(FindEvents("trace", "ab" * 16))
        assert [event.origin for event in page.events] == [origin]

    def test_a_cursor_goes_on(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G6: a clean close changes no history."""
        engine = open_engine()
        commit(engine, *(write(key) for key in "abc"))
        page = engine.execute(scan(limit=1))
        commit(engine, delete("b"))
        rest = reopen(engine).execute(scan(cursor=page.cursor))
        assert ([row.key.key for row in rest.entries], rest.read_ts) == (["b", "c"], 1)

    def test_time_does_not_go_back(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G7: the machine's clock may be wrong after a restart."""
        clock = SetClock(9_000_000)
        engine = open_engine(clock=clock)
        put(engine)
        clock.us = 1_000_000
        assert commit(reopen(engine), write()).committed_at_us == 9_000_000

    def test_what_was_deleted_stays_deleted(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G6."""
        engine = open_engine()
        put(engine)
        commit(engine, delete())
        engine = reopen(engine)
        assert (entry(engine).kind, entry(engine).version, value(engine, at=1)) == ("delete", 2, 1)

    def test_growing_values_go_on_growing(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G6."""
        engine = open_engine()
        whole = b"0" * 2000
        commit(engine, write("k", whole))
        for version in range(1, 8):
            engine = reopen(engine)
            new = bytes([version]) * 1500
            commit(engine, Extend(name(), name(), version, (Copy(0, len(whole)), new), BYTES))
            whole += new
            assert value(engine) == whole

    def test_a_check_still_proves_the_head(self, open_engine: OpenEngine, reopen: Reopen) -> None:
        """G8."""
        engine = open_engine()
        for number in range(5):
            commit(engine, write("k", number), write(name("k", "critic"), number))
        digest = check_all(engine)
        assert check_all(reopen(engine)) == digest


def _range(prefix: str) -> KeyRange:
    return KeyRange(NAMESPACE, AGENT, prefix)
