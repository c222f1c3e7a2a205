"""Leases: one worker has a thread, and whoever had it before writes nothing any more."""

from __future__ import annotations

import asyncio

import pytest

from statehouse import InvalidArgumentError, Statehouse
from statehouse_langgraph import LeaseHeldError, LeaseLostError, StatehouseSaver
from tests.langgraph.saver.chains import Chain, ids, place, tuple_at
from tests.langgraph.saver.conftest import Clock


@pytest.fixture
def ann(handle: Statehouse, clock: Clock) -> StatehouseSaver:
    return clock.set_on(StatehouseSaver(handle))


@pytest.fixture
def bob(handle: Statehouse, clock: Clock) -> StatehouseSaver:
    return clock.set_on(StatehouseSaver(handle))


def test_a_leased_thread_is_written_to_by_its_holder_only(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    chain = Chain(ann)
    chain.add("1")
    with ann.lease("t", holder="ann"):
        chain.add("2")
        chain.write("task", ("plan", 1))
        late = Chain(bob, head="1")
        with pytest.raises(LeaseHeldError, match="leased by ann") as refused:
            late.add("3")
        assert (refused.value.holder, refused.value.expires_in) == ("ann", 60)
        with pytest.raises(LeaseHeldError):
            late.write("task", ("plan", 2))
    assert ids(ann) == ["2", "1"]
    Chain(bob, head="2").add("4")
    assert ids(ann) == ["4", "2", "1"]


def test_others_read_a_leased_thread(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    Chain(ann).add("1")
    with ann.lease("t", holder="ann"):
        assert tuple_at(bob, place()).checkpoint["id"] == "1"
        assert [info.holder for info in bob.list_threads()] == ["ann"]
    assert [info.holder for info in bob.list_threads()] == [""]


def test_two_cannot_have_it(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    with ann.lease("t"):
        for saver in (ann, bob):
            with pytest.raises(LeaseHeldError), saver.lease("t"):
                raise AssertionError
    with bob.lease("t") as lease:
        assert lease.fence == 2


def test_a_lease_that_is_over_is_taken_over_and_its_holder_writes_no_more(
    ann: StatehouseSaver, bob: StatehouseSaver, clock: Clock
) -> None:
    chain = Chain(ann)
    chain.add("1")
    with ann.lease("t", ttl=30):
        chain.add("2")
        clock.now += 31
        # Nobody took it: it is still hers.
        chain.add("3")
        with bob.lease("t", holder="bob"):
            with pytest.raises(LeaseLostError):
                chain.add("4")
            with pytest.raises(LeaseLostError):
                chain.write("task", ("plan", 1))
            Chain(bob, head="3").add("5")
        # Not even when he has given it back.
        with pytest.raises(LeaseLostError):
            chain.add("6")
    assert ids(ann) == ["5", "3", "2", "1"]


def test_leaving_late_does_not_take_it_from_the_next(
    ann: StatehouseSaver, bob: StatehouseSaver, clock: Clock
) -> None:
    with ann.lease("t", ttl=30):
        clock.now += 31
        his = bob.lease("t", holder="bob")
        his.__enter__()
    with pytest.raises(LeaseHeldError, match="bob"):
        Chain(ann).add("1")
    his.__exit__(None, None, None)
    Chain(ann).add("1")


def test_a_renewed_lease_lasts(ann: StatehouseSaver, bob: StatehouseSaver, clock: Clock) -> None:
    with ann.lease("t", ttl=30) as lease:
        clock.now += 20
        renewed = ann.renew(lease, ttl=30)
        assert (renewed.fence, renewed.until) == (lease.fence, clock.now + 30)
        clock.now += 20
        with pytest.raises(LeaseHeldError), bob.lease("t"):
            raise AssertionError


def test_what_was_lost_or_given_back_is_not_renewed(
    ann: StatehouseSaver, bob: StatehouseSaver, clock: Clock
) -> None:
    with ann.lease("t", ttl=30) as lease:
        clock.now += 31
        with bob.lease("t"), pytest.raises(LeaseLostError):
            ann.renew(lease)
    with pytest.raises(LeaseLostError):
        ann.renew(lease)


def test_copies_of_a_saver_hold_it_together(ann: StatehouseSaver) -> None:
    with ann.lease("t"):
        Chain(ann.with_allowlist([("some.module", "Name")])).add("1")
    assert ids(ann) == ["1"]


def test_deleting_the_thread_ends_the_lease(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    chain = Chain(ann)
    chain.add("1")
    with ann.lease("t"):
        bob.delete_thread("t")
        with pytest.raises(LeaseLostError):
            Chain(ann).add("2")
    with bob.lease("t") as lease:
        assert lease.fence == 2


def test_another_thread_is_another_lease(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    with ann.lease("t"), bob.lease("u"):
        Chain(ann).add("1")
        Chain(bob, "u").add("1")


def test_awaiting_leases_the_same(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    async def held() -> None:
        async with ann.alease("t", holder="ann") as lease:
            await ann.arenew(lease)
            with pytest.raises(LeaseHeldError):
                async with bob.alease("t"):
                    raise AssertionError

    asyncio.run(held())
    Chain(bob).add("1")


def test_an_error_in_the_block_gives_it_back(ann: StatehouseSaver, bob: StatehouseSaver) -> None:
    with pytest.raises(KeyError), ann.lease("t"):
        raise KeyError
    Chain(bob).add("1")


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_lease_takes_some_time(ann: StatehouseSaver, ttl: float) -> None:
    with pytest.raises(InvalidArgumentError, match="above 0"), ann.lease("t", ttl=ttl):
        raise AssertionError
