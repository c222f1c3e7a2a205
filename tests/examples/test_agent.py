"""Whole runs by the rules: what is recorded, what is answered, what is remembered."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from examples.research_agent.agent import QUESTION_CHARS_MAX, QuestionChangedError, ResearchAgent
from examples.research_agent.library import Library
from examples.research_agent.notebook import PREFIX, Notebook
from examples.research_agent.planner import RulePlanner
from examples.research_agent.run_log import RunLog, runs_of
from examples.research_agent.runs import Call, Run, Step
from examples.research_agent.story import replay_lines, wrapped
from examples.research_agent.toolbox import Toolbox
from statehouse import Agent, PreconditionFailedError, Statehouse


def ask(agent: Agent, library: Library, question: str = "", *, run_id: str = "r", **hooks: Any) -> Run:
    tools = Toolbox(lambda: library, Notebook(agent))
    return ResearchAgent(RunLog(agent, run_id), tools, RulePlanner(), **hooks).run(question)


def answer_of(run: Run) -> dict[str, Any]:
    assert run.answer is not None
    return run.answer


def tools_of(run: Run) -> list[str]:
    return [step.call.tool for step in run.steps]


def test_a_question_of_two_parts_is_answered_from_what_was_read(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "How do I parse an ISO date and add 3 days?")
    assert tools_of(run) == ["plan", *["recall", "search", "read", "note"] * 2, "answer"]
    assert [cited["name"] for cited in answer_of(run)["citations"]] == [
        "datetime.date.fromisoformat",
        "datetime.timedelta",
    ]
    assert "Construct a date from a string in ISO 8601 format." in answer_of(run)["text"]
    assert "Here: datetime.timedelta(days=3)" in answer_of(run)["text"]


def test_its_means_what_was_found_before(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "Which module compresses with LZMA and what does its open() accept?")
    assert [cited["name"] for cited in answer_of(run)["citations"]] == ["lzma", "lzma.open"]
    assert "The mode argument can be" in answer_of(run)["text"]


def test_a_comparison_says_what_only_one_of_both_does(agent: Agent, library: Library) -> None:
    text = answer_of(ask(agent, library, "What is the difference between bisect_left and bisect_right?"))[
        "text"
    ]
    both, left, right = text.partition("\n  Both: ")[2].partition("\n\n")[0].split("\n")
    assert "Return the index where to insert item x in list a" in both
    assert left.startswith("  Only bisect.bisect_left: ")
    assert "just before the leftmost x" in left
    assert right.startswith("  Only bisect.bisect_right: ")
    assert "just after the rightmost x" in right


def test_arithmetic_is_computed(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "How many seconds are in 3 weeks?")
    assert tools_of(run) == ["plan", "calculate", "note", "answer"]
    assert "3 * 7 * 24 * 60 * 60 = 1814400" in answer_of(run)["text"]


def test_a_tool_that_fails_is_a_result_and_not_the_end(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "What is 1/0 and what does os.path.join do?")
    assert "cannot be computed: '1/0' divides by zero" in answer_of(run)["text"]
    assert [cited["name"] for cited in answer_of(run)["citations"]] == ["os.path.join"]


def test_source_is_shown(agent: Agent, library: Library) -> None:
    assert (
        "def dedent(text):" in answer_of(ask(agent, library, "Show me the source of textwrap.dedent"))["text"]
    )


def test_modules_are_listed(agent: Agent, library: Library) -> None:
    text = answer_of(ask(agent, library, "Which modules are about compression?"))["text"]
    assert all(f"  {name}: " in text for name in ("gzip", "lzma", "bz2", "zlib"))


def test_what_cannot_be_found_is_said_and_nothing_is_cited(agent: Agent, library: Library) -> None:
    answer = answer_of(ask(agent, library, "How do I bake a cake?"))
    assert "I found nothing about this in the standard library." in answer["text"]
    assert answer["citations"] == []


def test_the_second_time_the_answer_comes_from_the_notebook(agent: Agent, library: Library) -> None:
    ask(agent, library, "How do I parse an ISO date?", run_id="first")
    run = ask(agent, library, "Parsing ISO dates", run_id="second")
    assert tools_of(run) == ["plan", "recall", "answer"]
    assert answer_of(run)["citations"] == [
        {"name": "datetime.date.fromisoformat", "where": "in the notebook since run first"}
    ]


def test_a_note_about_another_python_is_not_recalled(agent: Agent, library: Library) -> None:
    note = {"about": "split a URL", "text": "old", "source": "urlparse", "run_id": "x", "python": "2.7.18"}
    agent.write(f"{PREFIX}x/001", note)
    assert "read" in tools_of(ask(agent, library, "split a URL"))


def test_every_step_is_one_commit_of_the_run_and_of_one_trace(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "How do I parse an ISO date?")
    events = list(agent.statehouse.find_events(run_id="r"))
    assert [event.origin.step for event in events] == [step.label for step in run.steps]
    assert {event.origin.trace_id for event in events} == {run.trace_id}
    assert {event.origin.agent_id for event in events} == {"researcher"}
    assert len({event.origin.span_id for event in events}) == len(run.steps)
    assert [event.commit_ts for event in agent.statehouse.find_events(trace_id=run.trace_id)] == [
        event.commit_ts for event in events
    ]


def test_a_note_is_in_the_commit_of_its_step(agent: Agent, library: Library) -> None:
    ask(agent, library, "How do I parse an ISO date?")
    (noted,) = [event for event in agent.replay() if event.origin.step == "05-note"]
    assert [operation.key for operation in noted.operations] == ["run/r", "run/r/step/005", "notebook/r/005"]


def test_the_run_is_told_commit_by_commit(agent: Agent, library: Library) -> None:
    run = ask(agent, library, "How many seconds are in 3 weeks?")
    lines = list(replay_lines(agent.statehouse.find_events(run_id="r")))
    assert [line.split()[2] for line in lines] == [step.label for step in run.steps]
    assert "3 * 7 * 24 * 60 * 60 = 1814400" in lines[1]
    assert lines[3].endswith("run v4, run/step/004 v1, run/answer v1")


def test_the_state_after_each_step_can_be_read_as_of_its_commit(agent: Agent, library: Library) -> None:
    ask(agent, library, "How many seconds are in 3 weeks?")
    assert [
        (agent.get_state("run/r", at=event.commit_ts).value["steps"], event.origin.step)
        for event in agent.replay()
    ] == [(1, "01-plan"), (2, "02-calculate"), (3, "03-note"), (4, "04-answer")]


def test_the_notebook_can_be_read_as_it_was(agent: Agent, library: Library) -> None:
    ask(agent, library, "How do I parse an ISO date and add 3 days?")
    counts = [len(list(Notebook(agent).notes(at=event.commit_ts))) for event in agent.replay()]
    assert counts == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_a_finished_run_is_not_run_again(agent: Agent, library: Library) -> None:
    first = ask(agent, library, "How many seconds are in 3 weeks?")
    again: list[int] = []
    assert ask(agent, library, before_step=lambda number, _: again.append(number)) == first
    assert again == []


class StoppedError(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("last", range(1, 10))
def test_a_run_that_stopped_after_a_step_goes_on_with_the_next(
    agent: Agent, library: Library, last: int
) -> None:
    question = "How do I parse an ISO date and add 3 days?"
    expected = ask(Statehouse("memory:").agent("researcher"), library, question)

    def stop(step: Step, _: int) -> None:
        if step.number == last:
            raise StoppedError

    with pytest.raises(StoppedError):
        ask(agent, library, question, after_step=stop)
    executed: list[int] = []
    run = ask(agent, library, question, before_step=lambda number, _: executed.append(number))
    assert executed == list(range(last + 1, 11))
    assert (run.steps, run.answer) == (expected.steps, expected.answer)


def test_of_two_agents_that_go_on_with_one_run_one_fails(agent: Agent, library: Library) -> None:
    rival_began = False

    def rival(number: int, _: Call) -> None:
        nonlocal rival_began
        if number == 2 and not rival_began:
            rival_began = True
            ask(agent, library, "2 + 2")

    with pytest.raises(PreconditionFailedError):
        ask(agent, library, "2 + 2", before_step=rival)
    assert [event.origin.step for event in agent.replay()] == [
        "01-plan",
        "02-calculate",
        "03-note",
        "04-answer",
    ]


def test_agents_in_many_threads_keep_to_their_own_runs(agent: Agent, library: Library) -> None:
    def one(number: int) -> None:
        ask(agent, library, f"{number} + {number}", run_id=f"r{number}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(run_id, head["phase"]) for run_id, head in runs_of(agent)] == [
        (f"r{number}", "answered") for number in range(8)
    ]
    answers = [agent.get_state(f"run/r{number}/answer").value["text"] for number in range(8)]
    assert all(f"{number} + {number} = {2 * number}" in text for number, text in enumerate(answers))


def test_another_question_under_the_same_run_is_refused(agent: Agent, library: Library) -> None:
    ask(agent, library, "2 + 2")
    with pytest.raises(QuestionChangedError, match=r"2 \+ 2"):
        ask(agent, library, "3 + 3")


@pytest.mark.parametrize("question", ["", "  \n", "x" * (QUESTION_CHARS_MAX + 1)])
def test_a_question_that_is_none_leaves_no_trace(agent: Agent, library: Library, question: str) -> None:
    with pytest.raises(ValueError, match=str(QUESTION_CHARS_MAX)):
        ask(agent, library, question)
    assert list(agent.replay()) == []


@pytest.mark.parametrize(
    "question", ["x" * QUESTION_CHARS_MAX, "(" * 500, "\0\x1b[31m\u202e", "a/b" * 100, "ü and 日本"]
)
def test_a_strange_question_is_answered(agent: Agent, library: Library, question: str) -> None:
    assert answer_of(ask(agent, library, question))["text"]


@pytest.mark.parametrize("run_id", ["", "a/b", "a b", "x" * 65, "-x", "ü", "a\n"])
def test_a_malformed_run_id_is_refused(agent: Agent, run_id: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        RunLog(agent, run_id)


def test_what_would_move_a_terminal_s_cursor_is_not_printed() -> None:
    assert wrapped("a\x1b[2Jb\u202ec\nd") == "a\ufffd[2Jb\ufffdc\nd"


def test_wrapping_keeps_every_word_and_each_indent() -> None:
    text = "  " + "word " * 60 + "\n\n    code = 1"
    assert wrapped(text).split() == text.split()
    assert all(len(line) <= 110 for line in wrapped(text).splitlines())
    assert wrapped(text).endswith("\n\n    code = 1")
