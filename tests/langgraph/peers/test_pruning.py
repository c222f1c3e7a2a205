"""No peer prunes a thread with a DeltaChannel; ours does, and the thread keeps its state."""

from __future__ import annotations

import pytest

from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import ids, place
from tests.langgraph.threads import config, logging_graph


def test_ours_prunes_a_thread_with_a_delta_channel_and_keeps_its_state(ours: StatehouseSaver) -> None:
    graph = logging_graph(ours)
    graph.invoke({"count": 0}, config("t"))
    before = graph.get_state(config("t")).values
    ours.prune(["t"], strategy="keep_latest")
    assert len(ids(ours, place("t"))) == 1
    assert graph.get_state(config("t")).values == before
    assert before["log"] == ["line 0", "line 1", "line 2"]


def test_theirs_prunes_no_thread_with_a_delta_channel(theirs: Saver) -> None:
    logging_graph(theirs).invoke({"count": 0}, config("t"))
    # Only PostgresSaver prunes at all, and it refuses this.
    with pytest.raises(NotImplementedError):
        theirs.prune(["t"], strategy="keep_latest")


def test_ours_copies_threads_and_deletes_what_runs_made(ours: StatehouseSaver) -> None:
    graph = logging_graph(ours)
    graph.invoke({"count": 0}, config("t"))
    ours.copy_thread("t", "copy")
    ours.delete_thread("t")
    assert graph.get_state(config("copy")).values["log"] == ["line 0", "line 1", "line 2"]


def test_theirs_copies_no_thread(theirs: Saver) -> None:
    logging_graph(theirs).invoke({"count": 0}, config("t"))
    with pytest.raises(NotImplementedError):
        theirs.copy_thread("t", "copy")
