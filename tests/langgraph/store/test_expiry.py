"""Time to live: what is visible, what a read changes, what a sweep removes, and what all that costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, PutOp

from statehouse import InvalidArgumentError, OverloadedError, Statehouse
from statehouse.extend import Commit
from statehouse_langgraph import StatehouseStore
from tests.langgraph.store.colours import DIMS, Clock, Embedding
from tests.langgraph.store.conftest import MakeStore
from tests.langgraph.store.watching import Watched, commits

USER = ("users", "u-1")


def rows(store: StatehouseStore, agent_id: str) -> list[str]:
    """The keys of a part of a store."""
    namespace = store._backing.namespace
    return Statehouse.from_connection(store._backing.connection, namespace=namespace).list_keys(
        agent_id=agent_id
    )


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.sampled_from([None, 10.0, 20.0])),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.none()),
        st.tuples(st.just("get"), st.sampled_from("abc"), st.booleans()),
        st.tuples(st.just("search"), st.just(""), st.booleans()),
        st.tuples(st.just("pass"), st.just(""), st.sampled_from([0.5, 3.0, 11.0])),
        st.tuples(st.just("sweep"), st.just(""), st.none()),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=200)
@given(_steps)
def test_an_item_lives_as_long_as_its_puts_and_reads_say(steps: list[tuple[str, str, Any]]) -> None:
    clock = Clock()
    lives: dict[str, tuple[float | None, float]] = {}

    def read(key: str) -> None:
        minutes, until = lives[key]
        if minutes is not None and clock.now + minutes * 60 - until >= minutes * 6:
            lives[key] = minutes, clock.now + minutes * 60

    with Statehouse("memory:") as handle:
        store = StatehouseStore(handle, clock=clock)
        for step, key, value in steps:
            alive = {name for name, (minutes, until) in lives.items() if minutes is None or until > clock.now}
            match step:
                case "put":
                    store.put(USER, key, {}, ttl=value)
                    lives[key] = value, clock.now + (value or 0) * 60
                case "delete":
                    store.delete(USER, key)
                    lives.pop(key, None)
                case "get":
                    assert (store.get(USER, key, refresh_ttl=value) is not None) == (key in alive)
                    if value and key in alive:
                        read(key)
                case "search":
                    assert {item.key for item in store.search((), refresh_ttl=value)} == alive
                    assert store.list_namespaces() == ([USER] if alive else [])
                    for name in alive if value else ():
                        read(name)
                case "pass":
                    clock.minutes(value)
                case "sweep":
                    assert store.sweep_ttl() == len(lives) - len(alive)
                    lives = {name: lives[name] for name in alive}
        mortal = [name for name, (minutes, _) in lives.items() if minutes is not None]
        assert len(rows(store, "expiries")) == len(rows(store, "due")) == len(mortal)


def test_reads_soon_after_each_other_commit_once(
    watched_store: MakeStore, watched: Watched, clock: Clock
) -> None:
    store = watched_store(ttl={"default_ttl": 10})
    ops = [PutOp(USER, f"k{number}", {}, ttl=10) for number in range(50)]
    store.batch(ops)
    with watched.watch() as asked:
        for _ in range(10):
            clock.minutes(0.09)
            store.batch([GetOp(USER, op.key) for op in ops])
            store.search(USER, limit=50)
        assert commits(asked) == 0
        clock.minutes(0.2)
        store.batch([GetOp(USER, op.key) for op in ops])
        store.search(USER, limit=50)
        assert commits(asked) == 1


def test_a_read_changes_no_version(make_store: MakeStore, clock: Clock) -> None:
    store = make_store(ttl={"default_ttl": 10})
    store.put(USER, "k", {})
    before = store.get(USER, "k")
    clock.minutes(5)
    store.get(USER, "k")
    after = store.get(USER, "k")
    assert before is not None
    assert after is not None
    assert (before.version, before.updated_at) == (after.version, after.updated_at)
    assert len(list(store.history(USER, "k"))) == 1


def test_a_read_succeeds_where_nothing_can_be_written(
    watched_store: MakeStore, watched: Watched, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = watched_store(ttl={"default_ttl": 10})
    store.put(USER, "k", {"n": 1})
    clock.minutes(5)
    watched.refusing = OverloadedError("the disk is full", retry_after=1.0)
    item = store.get(USER, "k")
    assert item is not None
    assert item.value == {"n": 1}
    assert "the disk is full" in caplog.text


def test_a_refresh_leaves_alone_what_was_put_or_deleted_meanwhile(
    watched_store: MakeStore, watched: Watched, clock: Clock
) -> None:
    store, other = watched_store(), watched_store()
    for key in ("put", "deleted", "only read"):
        store.put(USER, key, {}, ttl=10)
    clock.minutes(5)
    watched.before_commit(lambda: other.put(USER, "put", {"n": 1}, ttl=1))
    watched.before_commit(lambda: None)
    watched.before_commit(lambda: other.delete(USER, "deleted"))
    assert len(store.search(USER)) == 3
    clock.minutes(6)
    assert [item.key for item in store.search(USER)] == ["only read"]
    assert store.sweep_ttl() == 1
    assert len(rows(store, "due")) == len(rows(store, "expiries")) == 1


def test_a_sweep_leaves_alone_what_was_put_meanwhile(
    watched_store: MakeStore, watched: Watched, clock: Clock
) -> None:
    store, other = watched_store(), watched_store()
    for key in ("put", "over"):
        store.put(USER, key, {}, ttl=10)
    clock.minutes(10)
    watched.before_commit(lambda: other.put(USER, "put", {"n": 1}))
    assert store.sweep_ttl() == 1
    assert [item.key for item in store.search(USER)] == ["put"]
    assert rows(store, "due") == []


@pytest.mark.slow
def test_a_sweep_is_bounded_and_removes_all_that_belongs_to_an_item(
    make_store: MakeStore, clock: Clock
) -> None:
    store = make_store(index={"dims": DIMS, "embed": Embedding()}, ttl={"default_ttl": 1})
    store.batch([PutOp(USER, f"k{number}", {"n": number % 3}, ttl=1) for number in range(1_300)])
    clock.minutes(1)
    assert [store.sweep_ttl() for _ in range(3)] == [1_000, 300, 0]
    assert [rows(store, each) for each in ("items", "vectors", "expiries", "due")] == [[], [], [], []]


def test_a_sweep_begins_where_the_last_one_ended(
    watched_store: MakeStore, watched: Watched, clock: Clock
) -> None:
    store = watched_store()
    for _ in range(3):
        store.put(USER, "k", {}, ttl=1)
        clock.minutes(60)
        assert store.sweep_ttl() == 1
    with watched.watch() as asked:
        store.sweep_ttl()
    assert asked[0].after == f"{int((clock.now - 600) * 1_000_000):016d}#"  # type: ignore[attr-defined]


def test_an_expired_item_counts_as_none_for_a_condition(make_store: MakeStore, clock: Clock) -> None:
    store = make_store()
    store.put(USER, "k", {"n": 1}, ttl=1)
    clock.minutes(1)
    store.put(USER, "k", {"n": 2}, expected_version=0)
    item = store.get(USER, "k")
    assert item is not None
    assert item.created_at.timestamp() == clock.now


def test_the_past_has_what_had_not_expired_then(make_store: MakeStore, clock: Clock) -> None:
    with Statehouse("memory:") as handle:
        # As of a commit, what counts is when the engine committed it.
        store = StatehouseStore(handle)
        store.put(USER, "k", {"n": 1}, ttl=60)
        item = store.get(USER, "k")
        assert item is not None
        late = StatehouseStore(handle, clock=lambda: item.created_at.timestamp() + 7_200)
        assert late.get(USER, "k") is None
        assert [each.key for each in late.as_of(item.commit_ts).search(())] == ["k"]
        assert late.sweep_ttl() == 1
        assert [each.key for each in late.as_of(item.commit_ts).search(())] == ["k"]


def test_the_sweeper_sweeps_until_it_is_stopped(make_store: MakeStore, clock: Clock) -> None:
    store = make_store(ttl={"default_ttl": 1, "sweep_interval_minutes": 60})
    store.put(USER, "k", {})
    clock.minutes(2)
    # A first sweep after 0.6 ms.
    ended = store.start_ttl_sweeper(0.00001)
    assert store.start_ttl_sweeper() is ended
    while rows(store, "items"):
        pass
    assert store.stop_ttl_sweeper(10) is True
    assert ended.result(10) is None
    assert store.stop_ttl_sweeper() is True


def test_the_sweeper_ends_with_its_store_and_when_it_is_cancelled(clock: Clock) -> None:
    with StatehouseStore.from_conn_string("memory:") as store:
        ended = store.start_ttl_sweeper()
        again = ended
        ended.cancel()
        assert store.stop_ttl_sweeper(10) is True
        again = store.start_ttl_sweeper()
        assert again is not ended
    assert again.result(10) is None


def test_the_sweeper_may_be_started_from_a_loop() -> None:
    async def sweeping() -> None:
        async with StatehouseStore.from_conn_string("memory:") as store:
            ended = await store.astart_ttl_sweeper(1)
            assert not ended.done()
            assert await store.astop_ttl_sweeper(10) is True
            await ended

    asyncio.run(sweeping())


@pytest.mark.parametrize(
    "ttl", [{"default_ttl": 0}, {"default_ttl": "5"}, {"sweep_interval_minutes": -1}, {"defualt_ttl": 5}]
)
def test_a_configuration_that_makes_no_sense_is_refused(make_store: MakeStore, ttl: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="ttl"):
        make_store(ttl=ttl)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True])
def test_a_time_to_live_that_makes_no_sense_is_refused(make_store: MakeStore, ttl: float) -> None:
    with pytest.raises(InvalidArgumentError, match="minutes"):
        make_store().put(USER, "k", {}, ttl=ttl)


def test_a_very_long_time_to_live_is_as_good_as_for_ever(make_store: MakeStore, clock: Clock) -> None:
    store = make_store()
    store.put(USER, "k", {}, ttl=1e300)
    clock.minutes(60 * 24 * 365 * 100)
    assert len(store.search(())) == 1
    assert store.sweep_ttl() == 0


def test_what_never_expires_is_read_in_one_request(watched_store: MakeStore, watched: Watched) -> None:
    store = watched_store(ttl={"refresh_on_read": True})
    ops = [PutOp(USER, f"k{number}", {}) for number in range(100)]
    store.batch(ops)
    with watched.watch() as asked:
        found = store.batch([GetOp(USER, op.key) for op in ops])
    assert len(found) == 100
    assert len(asked) == 1
    assert not isinstance(asked[0], Commit)
