"""Which agents and namespaces there are and what they have; what a store says of itself (G6, G8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, StatehouseError
from statehouse.protocol.engine import Engine
from statehouse.protocol.replies import AgentCounts, NamespaceCounts
from statehouse.protocol.requests import (
    Check,
    Get,
    Health,
    ListAgents,
    ListNamespaces,
    Request,
    Status,
    Version,
)
from statehouse.testing.contracts.engine_phrases import commit, delete, name, put, transaction, write


def _fill(engine: Engine) -> None:
    # 1 to 6; namespaces "n", "n2" and "gone"; agents "b", "a", "a/x" of "n".
    commit(engine, write(name("k1", "b", "n")), write(name("k2", "b", "n")))
    commit(engine, write(name("k", "a", "n")), write(name("k", "a", "n2")))
    commit(engine, delete(name("k1", "b", "n")), write(name("k", "a/x", "n")))
    commit(engine, write(name("k2", "b", "n"), 2))
    commit(engine, write(name("k", "z", "gone")))
    commit(engine, delete(name("k", "z", "gone")), delete(name("ghost", "z", "gone")))


class ListAgentsContract:
    """The agents of a namespace."""

    def test_agents_come_in_byte_order_with_counts(self, engine: Engine) -> None:
        """G6: keys that exist, commits that touched it, and the last of them."""
        _fill(engine)
        page = engine.execute(ListAgents("n"))
        assert page.agents == (
            AgentCounts("n", "a", 1, 1, 2),
            AgentCounts("n", "a/x", 1, 1, 3),
            AgentCounts("n", "b", 1, 3, 4),
        )
        assert (page.cursor, page.read_ts) == (None, 6)

    def test_an_agent_whose_keys_are_all_deleted_is_still_listed(self, engine: Engine) -> None:
        """G6: it was written to, and has a history."""
        _fill(engine)
        assert engine.execute(ListAgents("gone")).agents == (AgentCounts("gone", "z", 0, 2, 6),)

    def test_a_namespace_that_was_never_written_has_none(self, engine: Engine) -> None:
        """G6."""
        _fill(engine)
        for namespace in ("other", "n3", "g", "m"):
            assert engine.execute(ListAgents(namespace)).agents == ()

    @pytest.mark.parametrize(
        "at, expected",
        [
            (0, []),
            (1, [("b", 2, 1, 1)]),
            (2, [("a", 1, 1, 2), ("b", 2, 1, 1)]),
            (3, [("a", 1, 1, 2), ("a/x", 1, 1, 3), ("b", 1, 2, 3)]),
        ],
    )
    def test_counts_are_as_of(
        self, engine: Engine, at: int, expected: list[tuple[str, int, int, int]]
    ) -> None:
        """G6."""
        _fill(engine)
        page = engine.execute(ListAgents("n", at))
        assert [
            (agent.agent_id, agent.keys, agent.events, agent.last_commit_ts) for agent in page.agents
        ] == expected
        assert page.read_ts == at

    def test_keys_count_what_exists_however_often_it_came_and_went(self, engine: Engine) -> None:
        """G6."""
        for operation in (
            write("k"),
            write("k"),
            delete("k"),
            delete("k"),
            write("k"),
            delete("ghost"),
            write("l"),
        ):
            commit(engine, operation)
        assert engine.execute(ListAgents("default")).agents == (AgentCounts("default", "planner", 2, 7, 7),)

    @pytest.mark.parametrize("limit", [1, 2, 3, 4])
    def test_pages_go_on_at_their_own_commit_ts(self, engine: Engine, limit: int) -> None:
        """G6."""
        _fill(engine)
        expected = engine.execute(ListAgents("n")).agents
        request = ListAgents("n", limit=limit)
        found: list[AgentCounts] = []
        while True:
            page = engine.execute(request)
            found += page.agents
            assert len(page.agents) <= limit
            commit(engine, *(write(name("new", agent, "n")) for agent in ("a", "aa", "b", "zz")))
            if page.cursor is None:
                break
            request = replace(request, cursor=page.cursor)
        assert tuple(found) == expected


class ListNamespacesContract:
    """The namespaces of a store."""

    def test_namespaces_come_in_byte_order_with_counts(self, engine: Engine) -> None:
        """G6: agents ever written to, keys that exist, commits that touched it, and the last of them."""
        _fill(engine)
        page = engine.execute(ListNamespaces())
        assert page.namespaces == (
            NamespaceCounts("gone", 1, 0, 2, 6),
            NamespaceCounts("n", 3, 3, 4, 4),
            NamespaceCounts("n2", 1, 1, 1, 2),
        )
        assert (page.cursor, page.read_ts) == (None, 6)

    def test_a_commit_counts_once_however_many_agents_it_touches(self, engine: Engine) -> None:
        """G6."""
        commit(engine, *(write(name(key, agent)) for agent in "abc" for key in "xy"))
        assert engine.execute(ListNamespaces()).namespaces == (NamespaceCounts("default", 3, 6, 1, 1),)

    def test_an_empty_store_has_none(self, engine: Engine) -> None:
        """G6."""
        assert engine.execute(ListNamespaces()).namespaces == ()

    @pytest.mark.parametrize(
        "at, expected",
        [
            (0, []),
            (1, [("n", 1, 2, 1, 1)]),
            (4, [("n", 3, 3, 4, 4), ("n2", 1, 1, 1, 2)]),
            (5, [("gone", 1, 1, 1, 5), ("n", 3, 3, 4, 4), ("n2", 1, 1, 1, 2)]),
        ],
    )
    def test_counts_are_as_of(self, engine: Engine, at: int, expected: list[Any]) -> None:
        """G6."""
        _fill(engine)
        assert engine.execute(ListNamespaces(at)).namespaces == tuple(
            NamespaceCounts(*row) for row in expected
        )

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_together_are_the_whole(self, engine: Engine, limit: int) -> None:
        """G6."""
        _fill(engine)
        expected = engine.execute(ListNamespaces()).namespaces
        request = ListNamespaces(limit=limit)
        found: list[NamespaceCounts] = []
        while True:
            page = engine.execute(request)
            found += page.namespaces
            put(engine, name("k", "a", f"n{len(found)}"))
            if page.cursor is None:
                break
            request = replace(request, cursor=page.cursor)
        assert tuple(found) == expected


def check_all(engine: Engine, limit: int = 1000) -> str:
    """Checks the whole store, expecting no problem, and gives the digest that was proved."""
    request = Check(limit=limit)
    fraction = 0.0
    while True:
        page = engine.execute(request)
        assert page.problems == ()
        assert fraction <= page.done_fraction <= 1.0
        fraction = page.done_fraction
        if page.cursor is None:
            assert fraction == 1.0
            return page.head_digest
        request = replace(request, cursor=page.cursor)


class StatusContract:
    """What a store says of itself."""

    def test_a_fresh_store(self, engine: Engine) -> None:
        """G6."""
        status = engine.execute(Status())
        assert (status.state, status.reason) == ("ok", "")
        assert (status.commit_ts, status.committed_at_us, status.horizon, status.dedup_horizon) == (
            0,
            0,
            0,
            0,
        )
        assert (status.epoch, [epoch.number for epoch in status.epochs]) == (1, [1])
        assert (status.queued_commits, status.followers) == (0, 0)
        assert len(bytes.fromhex(status.store_id)) == 16

    def test_the_newest_commit(self, engine: Engine) -> None:
        """G4."""
        committed = [commit(engine, write()) for _ in range(3)][-1]
        status = engine.execute(Status())
        assert (status.commit_ts, status.committed_at_us) == (3, committed.committed_at_us)

    def test_every_commit_moves_the_head_digest(self, engine: Engine) -> None:
        """G6: also one that writes what was there."""
        seen = set()
        for _ in range(4):
            seen.add(engine.execute(Status()).head_digest)
            put(engine)
        assert len(seen) == 4

    def test_a_refused_or_empty_commit_does_not_move_it(self, engine: Engine) -> None:
        """G1."""
        put(engine)
        before = engine.execute(Status()).head_digest
        commit(engine)
        engine.submit(transaction(write(), read_ts=0, reads=(name(),))).exception(timeout=30)
        assert engine.execute(Status()).head_digest == before

    def test_health_and_version(self, engine: Engine) -> None:
        """G4."""
        assert engine.execute(Health()) == "ok"
        assert engine.execute(Version()).version

    @pytest.mark.parametrize("limit", [1, 3, 1000])
    def test_a_check_proves_the_head_digest(self, engine: Engine, limit: int) -> None:
        """G8: in parts of any size."""
        _fill(engine)
        assert check_all(engine, limit) == engine.execute(Status()).head_digest

    def test_a_check_of_an_empty_store_finds_nothing(self, engine: Engine) -> None:
        """G8."""
        assert check_all(engine) == engine.execute(Status()).head_digest

    @pytest.mark.parametrize("limit", [0, -1, True, 1.0])
    def test_a_check_of_no_size_is_refused(self, engine: Engine, limit: Any) -> None:
        """G8."""
        with pytest.raises(InvalidArgumentError):
            engine.execute(Check(limit=limit))


class CloseContract:
    """The end of an engine."""

    def test_closing_twice_is_closing_once(self, engine: Engine) -> None:
        """G2."""
        put(engine)
        engine.close()
        engine.close()

    def test_what_was_submitted_is_finished(self, engine: Engine) -> None:
        """G2: close finishes what was begun."""
        futures = [engine.submit(transaction(write("k", number))) for number in range(50)]
        engine.close()
        assert sorted(future.result(timeout=30).commit_ts for future in futures) == list(range(1, 51))

    @pytest.mark.parametrize(
        "request_", [Get(name()), Status(), transaction(write())], ids=["get", "status", "commit"]
    )
    def test_a_closed_engine_refuses(self, engine: Engine, request_: Request[Any]) -> None:
        """G8."""
        engine.close()
        with pytest.raises(StatehouseError):
            engine.execute(request_)
        with pytest.raises(StatehouseError):
            engine.submit(request_).result(timeout=30)
