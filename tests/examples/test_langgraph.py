"""The examples for LangGraph do what they tell, each in any home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from examples.langgraph import human_in_the_loop, long_term_memory, subgraphs, time_travel, tool_agent
from statehouse import Statehouse
from statehouse_langgraph import StatehouseSaver
from tests.langgraph.homes import HOMES, opened


@pytest.fixture(params=HOMES)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Statehouse]:
    with opened(request.param, tmp_path) as handle:
        yield handle


def test_the_tool_agent_counts_lines_with_a_call_for_each_file(sh: Statehouse) -> None:
    called: list[str] = []
    messages = list(
        tool_agent.run(StatehouseSaver(sh), "t", "examples/langgraph/s*.py", before=called.append)
    )
    files = sorted(path.name for path in (tool_agent.ROOT / "examples/langgraph").glob("s*.py"))
    lines = sum(
        len((tool_agent.ROOT / "examples/langgraph" / name).read_text().splitlines()) for name in files
    )
    assert messages[-1].text == f"{len(files)} files match examples/langgraph/s*.py; they have {lines} lines."
    assert len(called) == len(files) + 2


def test_the_tool_agent_reads_nothing_outside_the_repository(sh: Statehouse) -> None:
    [_, count_lines, _] = tool_agent.tools(tool_agent.said_nothing, tool_agent.said_nothing)
    with pytest.raises(ValueError, match="not in the repository"):
        count_lines.invoke({"path": "../../etc/passwd"})


def test_a_letter_is_published_once_and_only_when_somebody_approves(sh: Statehouse) -> None:
    published: list[str] = []
    config = human_in_the_loop.thread("letter")
    # Each time another saver: nothing but the store remembers.
    asked = human_in_the_loop.build(StatehouseSaver(sh), published.append)
    asked.invoke({"topic": "tea"}, config)
    question = human_in_the_loop.question(asked, "letter")
    assert (question["question"], published) == ("Publish this letter?", [])

    edited = human_in_the_loop.build(StatehouseSaver(sh), published.append)
    edited.invoke(Command(resume={"edit": " Tea is on the table. "}), config)
    assert human_in_the_loop.question(edited, "letter")["text"] == "Tea is on the table."

    approved = human_in_the_loop.build(StatehouseSaver(sh), published.append)
    done = approved.invoke(Command(resume="approve"), config)
    assert (done["published"], published) == (True, ["Tea is on the table."])
    assert human_in_the_loop.question(approved, "letter") is None


def test_a_letter_that_is_turned_down_is_not_published(sh: Statehouse) -> None:
    published: list[str] = []
    graph = human_in_the_loop.build(StatehouseSaver(sh), published.append)
    graph.invoke({"topic": "tea"}, human_in_the_loop.thread("letter"))
    done = graph.invoke(Command(resume="no"), human_in_the_loop.thread("letter"))
    assert (done["published"], published) == (False, [])


def test_a_thread_that_goes_back_keeps_both_ways(sh: Statehouse) -> None:
    saver = StatehouseSaver(sh)
    done = time_travel.travel(saver, "trip")
    assert (done.first["cost"], done.other["cost"]) == (240, 130)
    ends = [
        state.values["cost"]
        for state in time_travel.build(saver).get_state_history({"configurable": {"thread_id": "trip"}})
        if not state.next
    ]
    assert ends == [130, 240]
    assert done.first_commit < done.other_commit


def test_a_subgraph_remembers_in_the_thread_of_who_calls_it(sh: Statehouse) -> None:
    config: Any = {"configurable": {"thread_id": "team"}}
    for number in (1, 2):
        done = subgraphs.build(StatehouseSaver(sh)).invoke({"request": "tea"}, config)
        assert done["verdict"] == f"the best of {number}"
    other: Any = {"configurable": {"thread_id": "another"}}
    assert (
        subgraphs.build(StatehouseSaver(sh)).invoke({"request": "tea"}, other)["verdict"] == "the best of 1"
    )
    namespaces = {found.config["configurable"]["checkpoint_ns"] for found in StatehouseSaver(sh).list(config)}
    assert "critic" in namespaces


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


def test_what_is_told_in_one_thread_is_found_in_another_of_the_same_person(sh: Statehouse) -> None:
    graph = long_term_memory.build(sh, letters, 26)
    long_term_memory.say(graph, "I like oolong", thread_id="monday", user_id="ann")
    answer = long_term_memory.say(graph, "oolong?", thread_id="tuesday", user_id="ann")
    assert answer == "You told me: I like oolong"
    assert long_term_memory.say(graph, "oolong?", thread_id="x", user_id="ben") == "I do not know."


@pytest.mark.slow
def test_real_embeddings_find_what_is_meant(sh: Statehouse) -> None:
    from examples.langgraph.embedding import DIMS, embed

    graph = long_term_memory.build(sh, embed, DIMS)
    for text in long_term_memory.TOLD:
        long_term_memory.say(graph, text, thread_id="monday", user_id="ann")
    for told, asked in zip(long_term_memory.TOLD, long_term_memory.ASKED, strict=True):
        assert (
            long_term_memory.say(graph, asked, thread_id="tuesday", user_id="ann") == f"You told me: {told}"
        )


@pytest.mark.parametrize(
    "main, arguments, printed",
    [
        (human_in_the_loop.main, ["ask"], "Publish this letter?\n"),
        (time_travel.main, [], "that is 130\n"),
        (subgraphs.main, [], "the best of 2\n"),
        (tool_agent.main, ["ask", "examples/langgraph/s*.py"], " lines.\n"),
    ],
)
def test_each_runs_at_a_command_line(
    main: Any, arguments: list[str], printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--store", f"file:{tmp_path / 'store'}"]) == 0
    assert capsys.readouterr().out.endswith(printed)


def test_nobody_answers_what_is_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert human_in_the_loop.main(["answer", "--store", f"file:{tmp_path / 'store'}"]) == 1
    assert "nothing is asked in thread letter" in capsys.readouterr().err


@pytest.mark.slow
def test_long_term_memory_runs_at_a_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert long_term_memory.main([]) == 0
    assert capsys.readouterr().out.endswith("I do not know.\n")
