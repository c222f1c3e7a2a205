"""Values that grow cost what is new in them: on the wire, in the log, and after a restart."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import Chain, ids, place, tuple_at

NEW_BYTES = 1_000


def text(number: int) -> str:
    """A kilobyte that nothing else has, and that does not shrink."""
    return random.Random(number).randbytes(NEW_BYTES // 2).hex()


def grow(chain: Chain, steps: int, start: int = 0) -> None:
    for number in range(start, start + steps):
        chain.add(f"{number:05}", {"messages": [*chain.values.get("messages", []), text(number)]})


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_file_of_many_steps_is_a_few_times_what_is_new(tmp_path: Path) -> None:
    steps = 150
    with StatehouseSaver.from_conn_string(f"file:{tmp_path / 'store'}") as saver:
        grow(Chain(saver), steps)
    assert size(tmp_path) < 6 * steps * NEW_BYTES < steps * steps * NEW_BYTES / 20


def test_all_of_a_grown_value_is_there_at_each_step(anywhere: StatehouseSaver) -> None:
    chain = Chain(anywhere)
    grow(chain, 40)
    for number, found in enumerate(reversed([*anywhere.list(place())])):
        expected = [text(each) for each in range(number + 1)]
        assert found.checkpoint["channel_values"]["messages"] == expected


@pytest.mark.parametrize("remembered", [0, 10_000])
def test_a_saver_that_remembers_little_is_right_all_the_same(handle: Statehouse, remembered: int) -> None:
    saver = StatehouseSaver(handle, remembered_bytes=remembered)
    chain = Chain(saver)
    grow(chain, 20)
    assert tuple_at(saver, place()).checkpoint["channel_values"] == chain.values


def test_lists_that_are_trimmed_and_edited_are_right(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    grow(chain, 10)
    messages = chain.values["messages"]
    changes: tuple[list[str], ...] = (
        messages[3:],
        messages[:2] + messages[5:],
        ["new", *messages],
        [],
        messages * 3,
        messages[::-1],
    )
    for number, changed in enumerate(changes):
        chain.add(f"1{number:04}", {"messages": changed})
        assert tuple_at(saver, place()).checkpoint["channel_values"]["messages"] == changed


def test_a_value_whose_base_is_gone_is_written_whole(saver: StatehouseSaver, other: StatehouseSaver) -> None:
    chain = Chain(saver)
    grow(chain, 5)
    # This saver remembers values that the other one deletes, and another conversation has its like.
    other.delete_thread("t")
    again = Chain(saver, values=dict(chain.values))
    grow(again, 3, start=5)
    assert ids(saver) == ["00007", "00006", "00005"]
    assert tuple_at(saver, place()).checkpoint["channel_values"] == again.values


def test_a_value_whose_base_was_pruned_is_whole(saver: StatehouseSaver, other: StatehouseSaver) -> None:
    chain = Chain(saver)
    grow(chain, 5)
    other.prune(["t"])
    grow(chain, 5, start=5)
    other.prune(["t"])
    assert tuple_at(other, place()).checkpoint["channel_values"] == chain.values


def test_a_value_whose_base_was_erased_is_whole(saver: StatehouseSaver, other: StatehouseSaver) -> None:
    chain = Chain(saver)
    grow(chain, 5)
    other.delete_thread("t", erase=True)
    again = Chain(saver, values=dict(chain.values))
    grow(again, 3, start=5)
    assert tuple_at(other, place()).checkpoint["channel_values"] == again.values


def test_two_forks_share_and_are_themselves(saver: StatehouseSaver) -> None:
    chain = Chain(saver)
    grow(chain, 5)
    for number in range(3):
        fork = Chain(saver, head="00004", values=dict(chain.values), versions=dict(chain.versions))
        grow(fork, 3, start=10 + 10 * number)
        assert tuple_at(saver, fork.at(fork.head)).checkpoint["channel_values"] == fork.values
