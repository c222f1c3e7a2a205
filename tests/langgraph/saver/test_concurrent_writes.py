"""Two runs on one thread: both branches stay, or the second is told; none is lost in silence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from statehouse import Statehouse
from statehouse_langgraph import ConcurrentWriteError, StatehouseSaver
from tests.langgraph.saver.chains import Chain, ids, place, tuple_at


@pytest.fixture
def strict(handle: Statehouse) -> StatehouseSaver:
    return StatehouseSaver(handle, on_concurrent_write="error")


@pytest.fixture
def strict_too(handle: Statehouse) -> StatehouseSaver:
    return StatehouseSaver(handle, on_concurrent_write="error")


def begun(saver: StatehouseSaver, head: str | None) -> Chain:
    """A run that read the newest checkpoint."""
    found = saver.get_tuple(place())
    assert (None if found is None else found.checkpoint["id"]) == head
    return Chain(saver, head=head)


def test_by_default_both_branches_stay(saver: StatehouseSaver, other: StatehouseSaver) -> None:
    Chain(saver).add("1")
    one, two = begun(saver, "1"), begun(other, "1")
    one.add("2", {"plan": "one"})
    two.add("3", {"plan": "two"})
    one.add("4", {"plan": "one"})
    two.add("5", {"plan": "two"})
    parents = {each.checkpoint["id"]: each.parent_config for each in saver.list(place())}
    assert parents["4"] == one.at("2")
    assert parents["5"] == two.at("3")


def test_the_second_of_two_savers_is_told(strict: StatehouseSaver, strict_too: StatehouseSaver) -> None:
    Chain(strict).add("1")
    one, two = begun(strict, "1"), begun(strict_too, "1")
    one.add("2")
    with pytest.raises(ConcurrentWriteError, match="another checkpoint from another run") as refused:
        two.add("3")
    assert (refused.value.thread_id, refused.value.checkpoint_ns) == ("t", "")
    one.add("4")
    assert ids(strict) == ["4", "2", "1"]
    begun(strict_too, "4").add("5")


def test_the_second_of_two_runs_of_one_saver_is_told(strict: StatehouseSaver) -> None:
    Chain(strict).add("1")
    one, two = begun(strict, "1"), begun(strict, "1")
    two.add("2")
    with pytest.raises(ConcurrentWriteError):
        one.add("3")
    two.add("4")
    late = begun(strict, "4")
    two.add("5")
    with pytest.raises(ConcurrentWriteError):
        late.add("6")


def test_two_that_begin_a_thread_are_not_both_let_in(
    strict: StatehouseSaver, strict_too: StatehouseSaver
) -> None:
    one, two = begun(strict, None), begun(strict_too, None)
    one.add("1")
    with pytest.raises(ConcurrentWriteError):
        two.add("2")


def test_a_run_alone_is_never_told(strict: StatehouseSaver) -> None:
    run = begun(strict, None)
    for number in range(10, 20):
        run.add(f"{number}", {"plan": number})
        run.write("task", ("plan", number))
    assert len(ids(strict)) == 10


def test_going_back_in_time_is_no_accident(strict: StatehouseSaver, strict_too: StatehouseSaver) -> None:
    chain = Chain(strict)
    for number in "123":
        chain.add(number)
    tuple_at(strict_too, place(checkpoint_id="1"))
    fork = Chain(strict_too, head="1")
    fork.add("4")
    fork.add("5")
    parents = {each.checkpoint["id"]: each.parent_config for each in strict.list(place())}
    assert parents["4"] == fork.at("1")


def test_going_back_in_time_is_checked_from_there_on(
    strict: StatehouseSaver, strict_too: StatehouseSaver
) -> None:
    chain = Chain(strict)
    for number in "123":
        chain.add(number)
    tuple_at(strict_too, place(checkpoint_id="1"))
    chain.add("4")
    with pytest.raises(ConcurrentWriteError):
        Chain(strict_too, head="1").add("5")


def test_subgraphs_are_threads_of_their_own(strict: StatehouseSaver, strict_too: StatehouseSaver) -> None:
    Chain(strict).add("1")
    one, two = begun(strict, "1"), Chain(strict_too, ns="call:1")
    two.add("2", parents={"": "1"})
    one.add("3")
    two.add("4", parents={"": "1"})


@pytest.mark.parametrize("workers", [8])
def test_of_many_at_once_one_is_let_in(handle: Statehouse, workers: int) -> None:
    Chain(StatehouseSaver(handle)).add("0")
    savers = [StatehouseSaver(handle, on_concurrent_write="error") for _ in range(workers)]
    runs = [begun(saver, "0") for saver in savers]

    def step(number: int) -> bool:
        try:
            runs[number].add(f"1{number}", {"plan": number})
        except ConcurrentWriteError:
            return False
        return True

    with ThreadPoolExecutor(workers) as pool:
        assert sum(pool.map(step, range(workers))) == 1


def test_what_it_is_called_is_checked(handle: Statehouse) -> None:
    with pytest.raises(ValueError, match="must be 'fork' or 'error'"):
        StatehouseSaver(handle, on_concurrent_write="merge")  # type: ignore[arg-type]
