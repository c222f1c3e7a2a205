"""What does not fit is refused in the words of a graph."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from statehouse import InvalidArgumentError, LimitExceededError
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.saver.chains import checkpoint, ids, place

LIMIT = 16 * 1024 * 1024
LARGE = b"x" * (LIMIT + 1)


class _State(TypedDict):
    document: bytes
    count: int


def test_a_channel_that_is_too_large_is_named_with_what_to_do(saver: StatehouseSaver) -> None:
    new = checkpoint("1", {"document": LARGE, "count": 1}, {"document": 1, "count": 1})
    with pytest.raises(
        LimitExceededError, match=r"channel 'document' holds 16777217 bytes.*\(16 MiB\): keep what"
    ) as caught:
        saver.put(place(), new, {}, {"document": 1, "count": 1})
    assert (caught.value.limit, caught.value.actual, ids(saver)) == (LIMIT, LIMIT + 1, [])


def test_a_task_that_wrote_too_much_is_told_to_which_channels(saver: StatehouseSaver) -> None:
    config = saver.put(place(), checkpoint("1"), {}, {})
    writes: list[tuple[str, Any]] = [("count", b"x" * 9), ("document", LARGE)]
    for stored in (
        lambda: saver.put_writes(config, writes, "task"),
        lambda: asyncio.run(saver.aput_writes(config, writes, "task")),
        lambda: saver.put_with_writes(config, checkpoint("2"), {}, {}, [("task", writes, "")]),
    ):
        with pytest.raises(
            LimitExceededError, match=r"a task wrote to 'document', 'count' has 16777\d+ bytes"
        ):
            stored()
    assert ids(saver) == ["1"]


def test_a_graph_ends_with_the_name_of_what_is_too_large(saver: StatehouseSaver) -> None:
    builder = StateGraph(_State)
    builder.add_node("read", lambda state: {"document": LARGE})
    builder.add_edge(START, "read")
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(LimitExceededError, match="'document'"):
        graph.invoke({"document": b"", "count": 0}, place("t-1"))
    with pytest.raises(LimitExceededError, match="channel '__start__', the input of the graph, holds"):
        graph.invoke({"document": LARGE, "count": 0}, place("t-2"))


@pytest.mark.parametrize(
    "thread_id, kind",
    [("a\nb", InvalidArgumentError), ("\ud800", InvalidArgumentError), ("é" * 129, LimitExceededError)],
)
def test_a_thread_id_that_cannot_be_one_is_called_so(
    thread_id: str, kind: type[Exception], saver: StatehouseSaver
) -> None:
    for asked in (
        lambda: saver.put(place(thread_id), checkpoint("1"), {}, {}),
        lambda: saver.get_tuple(place(thread_id)),
        lambda: saver.delete_thread(thread_id),
    ):
        with pytest.raises(kind, match=r"^thread_id "):
            asked()


@pytest.mark.parametrize("thread_id", ["é" * 128, "x" * 256, "with space", "\x7f"])
def test_any_other_text_is_a_thread_id(thread_id: str, saver: StatehouseSaver) -> None:
    saver.put(place(thread_id), checkpoint("1"), {}, {})
    assert ids(saver, place(thread_id)) == ["1"]
