"""What happens between two requests of a call: whatever it is, the answer is of one moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from statehouse import Statehouse
from statehouse.extend import run
from statehouse_langgraph import StatehouseSaver, ThreadChangedError
from statehouse_langgraph.saver import copying, history, pruning, reading, removing
from statehouse_langgraph.saver.choosing import newest
from statehouse_langgraph.saver.records import Place
from tests.langgraph.saver.chains import Chain, ids, index, place, rows
from tests.langgraph.saver.interleaving import Stopped, before_request, requests_of, stop_before_commit

T = Place("t", "t", None, None)
U = Place("u", "u", None, None)


def deltas(saver: StatehouseSaver, count: int = 6) -> Chain:
    chain = Chain(saver)
    for number in range(count):
        chain.delta(f"{number}", number)
    return chain


@pytest.mark.parametrize("number", range(8))
def test_a_history_is_whole_whenever_its_thread_is_pruned(
    saver: StatehouseSaver, other: StatehouseSaver, number: int
) -> None:
    deltas(saver)
    flow = history.delta_history(saver._backing, T, ["delta"], saver.serde)
    pruning_meanwhile = before_request(number, lambda: other.prune(["t"]))
    found = history.decode(run(saver.client, pruning_meanwhile(flow)), ["delta"], saver.serde)
    assert [value for _, _, value in found["delta"]["writes"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", range(4))
def test_a_checkpoint_is_read_whole_or_not_at_all(
    saver: StatehouseSaver, other: StatehouseSaver, number: int
) -> None:
    chain = Chain(saver)
    chain.add("1", {"plan": ["a"]})
    chain.write("task", ("plan", "b"))
    deleting = before_request(number, lambda: other.delete_thread("t"))
    found = run(saver.client, deleting(reading.get(saver._backing, T, saver.serde)))
    if found is not None:
        assert set(found.values) == {"plan"}
        assert len(found.writes) == 1


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda chain: chain.delta("9", 9),
        lambda chain: chain.write("task-9", ("delta", 9)),
        lambda chain: chain.write("task-9", ("delta", 9), to="1"),
    ],
    ids=["checkpoint", "write", "write to an old one"],
)
@pytest.mark.parametrize("number", range(8))
def test_what_is_written_while_pruning_is_pruned_or_kept_and_never_lost(
    saver: StatehouseSaver, other: StatehouseSaver, number: int, meanwhile: Callable[[Chain], object]
) -> None:
    deltas(saver)
    chain = Chain(other, head="5")

    def act() -> None:
        try:
            meanwhile(chain)
        except ThreadChangedError:
            chain.head = "5"

    flow = pruning.remove(saver._backing, T, saver.serde, newest(1))
    run(saver.client, before_request(number, act)(flow))
    head = ids(other)[0]
    chain.head = head
    chain.delta("99", "end")
    state = Chain(other).state()
    assert [value for value in state if value != 9] == [1, 2, 3, 4, 5, "end"]
    if head == "9":
        assert state == [1, 2, 3, 4, 5, 9, "end"]


@pytest.mark.parametrize("number", range(4))
def test_what_is_written_while_deleting_is_deleted_or_refused(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, number: int
) -> None:
    chain = Chain(saver)
    chain.add("1")

    def act() -> None:
        with suppress(ThreadChangedError):
            Chain(other, head="1").add("2", run_id="r")

    run(saver.client, before_request(number, act)(removing.delete(saver._backing, T)))
    assert (rows(handle), index(handle)) == (["thread"], [])


@pytest.mark.parametrize("commits", range(4))
def test_a_copy_that_a_crash_cut_short_is_nowhere_and_can_be_made_again(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse, commits: int
) -> None:
    chain = Chain(saver)
    for number in range(4):
        chain.add(f"{number}", {"plan": [f"{each}" * 2000 for each in range(number + 1)]}, run_id="r")
    flow = copying.copy(saver._backing, T, U, saver.serde)
    with pytest.raises(Stopped):
        run(saver.client, stop_before_commit(commits)(flow))
    assert other.get_tuple(place("u")) is None
    assert ids(other, place("u", ns=None)) == []
    assert [info.thread_id for info in other.list_threads()] == ["t"]
    other.copy_thread("t", "u")
    assert ids(other, place("u")) == ids(other, place())


def test_who_writes_to_a_thread_that_is_being_copied_to_wins(
    saver: StatehouseSaver, other: StatehouseSaver, handle: Statehouse
) -> None:
    chain = Chain(saver)
    for number in range(4):
        chain.add(f"{number}", {"plan": [f"{each}" * 2000 for each in range(number + 1)]})
    flow = copying.copy(saver._backing, T, U, saver.serde)
    writing = before_request(12, lambda: Chain(other, "u").add("9"))
    with pytest.raises(ThreadChangedError, match="written to while"):
        run(saver.client, writing(flow))
    assert ids(other, place("u")) == ["9"]
    assert [row.split("/")[0] for row in rows(handle, "u")] == ["checkpoint", "thread"]


def test_reading_the_newest_checkpoint_takes_three_requests_however_long_the_thread(
    saver: StatehouseSaver,
) -> None:
    chain = Chain(saver)
    for number in range(50):
        chain.add(f"{number:03}", {"plan": number})
    asked = requests_of(saver.client, reading.get(saver._backing, T, saver.serde))
    assert asked == ["Scan", "GetMany", "Scan"]
