"""Every peer stores the whole value of a channel again at each step; ours stores what is new."""

from __future__ import annotations

from pathlib import Path
from random import Random

from langchain_core.messages import HumanMessage

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver, value_bytes
from tests.langgraph.saver.chains import Chain

STEPS = 100
MESSAGE_BYTES = 1000
NEW_BYTES = STEPS * MESSAGE_BYTES


def talk(saver: Saver) -> None:
    """Adds a message of 1 KB that does not compress well at each step, and keeps all before."""
    random = Random(1)
    chain = Chain(saver)
    messages: list[HumanMessage] = []
    for step in range(STEPS):
        messages.append(HumanMessage(random.randbytes(MESSAGE_BYTES // 2).hex(), id=str(step)))
        chain.add(f"{step:04}", {"messages": list(messages)})


def test_ours_stores_a_growing_list_in_a_few_times_what_is_new(tmp_path: Path) -> None:
    with Statehouse(f"file:{tmp_path / 'statehouse'}") as store:
        talk(StatehouseSaver(store))
    on_disk = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    # With everything that a store on disk has besides.
    assert on_disk < 8 * NEW_BYTES


def test_theirs_stores_it_half_as_often_as_there_are_steps(theirs: Saver, tmp_path: Path) -> None:
    talk(theirs)
    assert value_bytes(theirs, tmp_path) > STEPS / 2 * NEW_BYTES
