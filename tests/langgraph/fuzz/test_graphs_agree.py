"""LangGraph's graphs reach the states on ours, pruned and copied, that they reach in memory, never pruned."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import EmptyInputError
from langgraph.types import StateSnapshot

from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.fuzz.graphs import Again, Conversation, CopyGraph, Move, PruneGraph, moves

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def seen(state: StateSnapshot) -> tuple[Any, ...]:
    """What does not depend on random ids."""
    asked = [each.value for each in state.interrupts]
    return state.values, state.next, asked, [task.name for task in state.tasks]


def outcome(conversation: Conversation, move: Move) -> str:
    """Plays a move; a checkpoint that nothing went into cannot be run from, for example."""
    try:
        conversation.play(move)
    except EmptyInputError as error:
        return str(error)
    return ""


def play(steps: list[Move]) -> None:
    with Statehouse("memory:") as handle:
        ours, theirs = Conversation(StatehouseSaver(handle)), Conversation(InMemorySaver())
        kept = 1_000
        for move in steps:
            match move:
                case PruneGraph(keep_last):
                    ours.saver.prune([ours.thread_id], keep_last=keep_last)  # type: ignore[call-arg]
                    kept = min(kept, keep_last)
                case CopyGraph():
                    ours.copy()
                case Again(back) if back >= kept:
                    continue
                case _:
                    before = len(theirs.history())
                    assert outcome(ours, move) == outcome(theirs, move)
                    kept += len(theirs.history()) - before
            assert seen(ours.state()) == seen(theirs.state())
            found, expected = ours.history()[:kept], theirs.history()[:kept]
            assert [*map(seen, found)] == [*map(seen, expected)]


@settings(max_examples=15, phases=PHASES)
@given(moves())
def test_graphs_reach_the_same_states(steps: list[Move]) -> None:
    play(steps)


@pytest.mark.slow
@settings(max_examples=200, phases=PHASES)
@given(moves())
def test_many_graphs_reach_the_same_states(steps: list[Move]) -> None:
    play(steps)
