"""What a replay delivers, how it is resumed and followed, and how events are found (G7)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from statehouse.errors import InvalidArgumentError, StoreChangedError
from statehouse.protocol.engine import Engine
from statehouse.protocol.limits import Limits
from statehouse.protocol.origin import Origin
from statehouse.protocol.requests import Get, Replay, Status
from statehouse.testing.contracts.engine_phrases import (
    AGENT,
    NAMESPACE,
    OpenEngine,
    commit,
    delete,
    everything,
    name,
    put,
    transaction,
    write,
    write_bytes,
)

CRITIC = name("k", "critic")
ELSEWHERE = name("k", AGENT, "other")


def _numbers(page: Any) -> list[int]:
    return [event.commit_ts for event in page.events]


def _fill(engine: Engine) -> None:
    # planner: 1 3 4 6; critic: 2 4 6; other/planner: 5 6.
    commit(engine, write("a", 1))
    commit(engine, write(CRITIC, 2))
    commit(engine, delete("a"), write("b", 3))
    commit(engine, write("a", 4), write(CRITIC, 4), write("c", 4))
    commit(engine, write(ELSEWHERE, 5))
    commit(engine, write("a", 6), write(CRITIC, 6), write(ELSEWHERE, 6))


class ReplayContract:
    """Events in commit order."""

    def test_the_whole_store(self, engine: Engine) -> None:
        """G7."""
        _fill(engine)
        page = engine.execute(Replay())
        assert _numbers(page) == [1, 2, 3, 4, 5, 6]
        assert (page.through_commit_ts, page.done) == (6, False)

    @pytest.mark.parametrize(
        "namespace, agent_id, expected",
        [
            (NAMESPACE, AGENT, [1, 3, 4, 6]),
            (NAMESPACE, "critic", [2, 4, 6]),
            (NAMESPACE, None, [1, 2, 3, 4, 6]),
            ("other", AGENT, [5, 6]),
            ("other", None, [5, 6]),
            (NAMESPACE, "plan", []),
            (NAMESPACE, "planner2", []),
            ("defaul", None, []),
            ("default2", None, []),
        ],
    )
    def test_only_events_of_that_agent_or_namespace(
        self, engine: Engine, namespace: str, agent_id: str | None, expected: list[int]
    ) -> None:
        """G7."""
        _fill(engine)
        page = engine.execute(Replay(namespace, agent_id))
        assert (_numbers(page), page.through_commit_ts) == (expected, 6)

    def test_an_event_holds_only_that_agents_operations(self, engine: Engine) -> None:
        """G7."""
        _fill(engine)
        event = engine.execute(Replay(NAMESPACE, AGENT, from_ts=4)).events[0]
        assert [(op.agent_id, op.key, op.value) for op in event.operations] == [
            (AGENT, "a", 4),
            (AGENT, "c", 4),
        ]

    def test_an_event_holds_only_that_namespaces_operations(self, engine: Engine) -> None:
        """G7."""
        _fill(engine)
        event = engine.execute(Replay(NAMESPACE, from_ts=6)).events[0]
        assert [(op.namespace, op.agent_id, op.version) for op in event.operations] == [
            (NAMESPACE, AGENT, 4),
            (NAMESPACE, "critic", 3),
        ]

    def test_an_event_has_the_values_of_its_commit(self, engine: Engine) -> None:
        """G6: not those of now."""
        _fill(engine)
        operations = [op for event in everything(engine) for op in event.operations]
        assert [(op.key, op.kind, op.version, op.value) for op in operations if op.agent_id == AGENT][:5] == [
            ("a", "write", 1, 1),
            ("a", "delete", 2, None),
            ("b", "write", 1, 3),
            ("a", "write", 3, 4),
            ("c", "write", 1, 4),
        ]

    def test_an_event_is_the_same_whoever_replays_it(self, engine: Engine) -> None:
        """G7."""
        commit(engine, write("a"), write("b"), txn_id="t", origin=Origin(run_id="r"))
        whole = everything(engine)
        assert engine.execute(Replay(NAMESPACE)).events == tuple(whole)
        assert engine.execute(Replay(NAMESPACE, AGENT)).events == tuple(whole)

    def test_payloads_can_be_left_out(self, engine: Engine) -> None:
        """G7."""
        _fill(engine)
        bare = engine.execute(Replay(payloads=False)).events
        whole = engine.execute(Replay()).events
        assert bare == tuple(
            replace(event, operations=tuple(replace(op, payload=None) for op in event.operations))
            for event in whole
        )

    @pytest.mark.parametrize("agent_id", [None, AGENT])
    @pytest.mark.parametrize("from_ts", range(8))
    @pytest.mark.parametrize("to_ts", [0, 1, 3, 5, 6, 7, 9, None])
    def test_both_ends_are_inclusive(
        self, engine: Engine, agent_id: str | None, from_ts: int, to_ts: int | None
    ) -> None:
        """G7: how far it has looked, and whether more can come, are exact when nothing was cut."""
        _fill(engine)
        request = Replay(NAMESPACE if agent_id else None, agent_id, from_ts, to_ts)
        if to_ts is not None and to_ts < from_ts:
            with pytest.raises(InvalidArgumentError):
                engine.execute(request)
            return
        page = engine.execute(request)
        last = 6 if to_ts is None else min(to_ts, 6)
        own = [1, 3, 4, 6] if agent_id else [1, 2, 3, 4, 5, 6]
        assert _numbers(page) == [number for number in own if from_ts <= number <= last]
        assert page.through_commit_ts == max(last, from_ts - 1, 0)
        assert page.done is (to_ts is not None and page.through_commit_ts >= to_ts)

    def test_an_empty_store_has_an_empty_page(self, engine: Engine) -> None:
        """G7."""
        page = engine.execute(Replay())
        assert (page.events, page.through_commit_ts, page.done) == ((), 0, False)

    @pytest.mark.parametrize("namespace, agent_id", [(None, None), (NAMESPACE, None), (NAMESPACE, AGENT)])
    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
    def test_resuming_after_each_page_delivers_everything_once(
        self, engine: Engine, limit: int, namespace: str | None, agent_id: str | None
    ) -> None:
        """G7: the next page begins at through_commit_ts + 1."""
        _fill(engine)
        whole = engine.execute(Replay(namespace, agent_id)).events
        found: list[Any] = []
        from_ts = 0
        while from_ts <= 6:
            page = engine.execute(Replay(namespace, agent_id, from_ts, limit=limit))
            assert len(page.events) <= limit
            assert page.through_commit_ts >= max([from_ts - 1, *_numbers(page)])
            found += page.events
            from_ts = page.through_commit_ts + 1
        assert tuple(found) == whole

    def test_a_page_ends_at_its_bytes(self, open_engine: OpenEngine) -> None:
        """G7: an event is never split."""
        engine = open_engine(limits=replace(Limits(), page_bytes_max=1000))
        for number in range(4):
            commit(engine, write_bytes("k", 400), write_bytes("l", 100))
            commit(engine, write_bytes("big", 3000 + number))
        sizes, from_ts = [], 1
        while from_ts <= 8:
            page = engine.execute(Replay(from_ts=from_ts))
            sizes.append(
                sum(len(op.payload.data) for event in page.events for op in event.operations if op.payload)
            )
            assert all(len(event.operations) in {1, 2} for event in page.events)
            assert sizes[-1] <= 1000 + 3003
            from_ts = page.through_commit_ts + 1
        assert sum(sizes) == 4 * 500 + sum(range(3000, 3004))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"agent_id": AGENT},
            {"from_ts": -1},
            {"from_ts": True},
            {"from_ts": "1"},
            {"from_ts": 1.0},
            {"to_ts": -1},
            {"to_ts": True},
            {"from_ts": 5, "to_ts": 4},
            {"limit": 0},
            {"limit": -1},
            {"limit": 10_001},
            {"limit": True},
            {"limit": 2.0},
            {"wait_s": -1.0},
            {"wait_s": float("nan")},
            {"wait_s": "1"},
            {"namespace": ""},
            {"namespace": "n", "agent_id": ""},
            {"namespace": "a\x00b"},
            {"namespace": 7},
            {"store_id": "another"},
            {"store_id": "0" * 31 + "G"},
            {"store_id": None},
            {"store_id": b"0" * 32},
            {"epoch": -1},
            {"epoch": True},
            {"epoch": "1"},
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_refused(self, engine: Engine, wrong: dict[str, Any]) -> None:
        """G8."""
        put(engine)
        with pytest.raises(InvalidArgumentError):
            engine.execute(Replay(**wrong))
        assert _numbers(engine.execute(Replay())) == [1]


class ReplayPositionContract:
    """A position is one in the history that it was read in, and goes on in no other."""

    @pytest.mark.parametrize("from_ts", [0, 3, 9])
    def test_a_page_says_which_store_and_epoch_it_is_of(self, engine: Engine, from_ts: int) -> None:
        """G7: also an empty one."""
        _fill(engine)
        page = engine.execute(Replay(from_ts=from_ts))
        status = engine.execute(Status())
        assert (page.store_id, page.epoch) == (status.store_id, status.epoch)

    def test_it_goes_on_after_a_page_of_the_same_store(self, engine: Engine) -> None:
        """G7."""
        _fill(engine)
        request = Replay(NAMESPACE, AGENT, limit=2)
        found = []
        while (page := engine.execute(request)).events:
            found += _numbers(page)
            request = request.after(page)
            assert (request.store_id, request.epoch) == (page.store_id, page.epoch)
        assert found == [1, 3, 4, 6]

    @pytest.mark.parametrize("wait_s", [0.0, 60.0])
    @pytest.mark.parametrize("from_ts", [0, 1, 4, 9])
    def test_a_position_in_another_store_is_refused(
        self, engine: Engine, from_ts: int, wait_s: float
    ) -> None:
        """G7: at once, also where there is nothing yet that could be wrong."""
        _fill(engine)
        request = Replay(from_ts=from_ts, wait_s=wait_s, store_id="0" * 32, epoch=1)
        with pytest.raises(StoreChangedError, match="begin again from the start"):
            engine.execute(request)
        with pytest.raises(StoreChangedError, match="begin again from the start"):
            engine.submit(request).result(timeout=30)

    @pytest.mark.parametrize("from_ts", [0, 4])
    def test_a_position_in_a_later_epoch_is_refused(self, engine: Engine, from_ts: int) -> None:
        """G7."""
        _fill(engine)
        status = engine.execute(Status())
        for store_id in ("", status.store_id):
            with pytest.raises(StoreChangedError):
                engine.execute(Replay(from_ts=from_ts, store_id=store_id, epoch=status.epoch + 1))

    def test_a_store_or_an_epoch_alone_may_be_said(self, engine: Engine) -> None:
        """G7: what is left out may be any."""
        _fill(engine)
        status = engine.execute(Status())
        assert len(engine.execute(Replay(store_id=status.store_id)).events) == 6
        assert len(engine.execute(Replay(epoch=status.epoch)).events) == 6
        with pytest.raises(StoreChangedError):
            engine.execute(Replay(store_id="f" * 32))


class FollowContract:
    """Replays that wait for what is not there yet."""

    def test_what_is_there_is_answered_at_once(self, engine: Engine) -> None:
        """G7."""
        put(engine)
        began = time.monotonic()
        assert _numbers(engine.execute(Replay(wait_s=60.0))) == [1]
        assert time.monotonic() - began < 30

    def test_it_wakes_when_a_commit_comes(self, engine: Engine) -> None:
        """G7."""
        put(engine)
        waiting = engine.submit(Replay(from_ts=2, wait_s=60.0))
        put(engine)
        assert _numbers(waiting.result(timeout=30)) == [2]

    def test_it_sleeps_through_commits_of_others(self, engine: Engine) -> None:
        """G7: it wakes for its own agent."""
        waiting = engine.submit(Replay(NAMESPACE, AGENT, from_ts=1, wait_s=60.0))
        for _ in range(5):
            put(engine, CRITIC)
        put(engine)
        page = waiting.result(timeout=30)
        assert (_numbers(page), page.through_commit_ts) == ([6], 6)

    def test_in_vain_it_is_empty_and_says_how_far_it_has_looked(self, engine: Engine) -> None:
        """G7: the cursor of a quiet follower moves on."""
        put(engine, CRITIC)
        put(engine, CRITIC)
        page = engine.execute(Replay(NAMESPACE, AGENT, from_ts=1, wait_s=0.02))
        assert (page.events, page.through_commit_ts, page.done) == ((), 2, False)

    def test_far_ahead_of_the_newest_commit_it_waits_for_that_one(self, engine: Engine) -> None:
        """G7."""
        waiting = engine.submit(Replay(from_ts=3, wait_s=60.0))
        for _ in range(3):
            put(engine)
        assert _numbers(waiting.result(timeout=30)) == [3]

    def test_far_ahead_in_vain_it_has_looked_no_further_back_than_asked(self, engine: Engine) -> None:
        """G7."""
        put(engine)
        page = engine.execute(Replay(from_ts=10, wait_s=0.02))
        assert (page.events, page.through_commit_ts) == ((), 9)

    def test_at_the_end_of_its_range_it_does_not_wait(self, engine: Engine) -> None:
        """G7: nothing more can come."""
        put(engine, CRITIC)
        began = time.monotonic()
        page = engine.execute(Replay(NAMESPACE, AGENT, from_ts=1, to_ts=1, wait_s=60.0))
        assert (page.events, page.through_commit_ts, page.done) == ((), 1, True)
        assert time.monotonic() - began < 30

    def test_it_is_done_when_the_end_of_its_range_is_committed_by_another(self, engine: Engine) -> None:
        """G7."""
        waiting = engine.submit(Replay(NAMESPACE, AGENT, from_ts=1, to_ts=2, wait_s=60.0))
        put(engine, CRITIC)
        put(engine, CRITIC)
        page = waiting.result(timeout=30)
        assert (page.events, page.through_commit_ts, page.done) == ((), 2, True)

    def test_many_followers_see_the_same(self, engine: Engine) -> None:
        """G7."""
        waiting = [engine.submit(Replay(from_ts=1, wait_s=60.0)) for _ in range(20)]
        put(engine)
        assert [_numbers(future.result(timeout=30)) for future in waiting] == [[1]] * 20

    def test_a_follower_misses_nothing_while_many_commit(self, engine: Engine) -> None:
        """G7: no gap, no repeat, nothing that is not yet readable."""
        futures = [engine.submit(transaction(write("k", number))) for number in range(200)]
        seen: list[int] = []
        while len(seen) < 200:
            page = engine.execute(Replay(from_ts=len(seen) + 1, wait_s=30.0))
            assert engine.execute(Get(name())).read_ts >= page.through_commit_ts
            seen += _numbers(page)
        assert seen == list(range(1, 201))
        assert {future.result().commit_ts for future in futures} == set(seen)

    def test_closing_the_engine_ends_the_waiting(self, engine: Engine) -> None:
        """G7: with a page or an error, but soon."""
        waiting = engine.submit(Replay(from_ts=1, wait_s=600.0))
        engine.close()
        waiting.exception(timeout=30)
        assert waiting.done()
