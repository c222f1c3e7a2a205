"""The seam for a model: what it may decide, and what happens when it is of no use."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from examples.research_agent.agent import STEPS_MAX, ResearchAgent
from examples.research_agent.library import Library
from examples.research_agent.model import VARIABLE, ModelError, ModelPlanner, load, planner_from
from examples.research_agent.notebook import Notebook
from examples.research_agent.planner import RulePlanner
from examples.research_agent.run_log import RunLog
from examples.research_agent.runs import Run
from examples.research_agent.toolbox import Toolbox
from statehouse import Agent

QUESTION = "How do I turn an object into JSON?"


class Script:
    """A model that says what it was told to, and keeps what it was asked."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.asked: list[list[dict[str, str]]] = []

    def __call__(self, messages: list[dict[str, str]]) -> str:
        self.asked.append(messages)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, str) else json.dumps(reply)


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments, "goal": 1}


READ = call("read", name="json.dumps")
ANSWER = call("answer", text="Use json.dumps.", citations=["json.dumps"])


def ask(agent: Agent, library: Library, model: Callable[[list[dict[str, str]]], str]) -> Run:
    tools = Toolbox(lambda: library, Notebook(agent))
    return ResearchAgent(RunLog(agent, "r"), tools, ModelPlanner(model, tools.describe())).run(QUESTION)


def decisions(run: Run) -> list[tuple[str, str]]:
    return [(step.call.tool, step.by.partition(" ")[0]) for step in run.steps]


def test_a_model_decides_every_step(agent: Agent, library: Library) -> None:
    run = ask(
        agent, library, Script(["serialize to JSON"], call("search", query="serialize JSON"), READ, ANSWER)
    )
    assert decisions(run) == [("plan", "model"), ("search", "model"), ("read", "model"), ("answer", "model")]
    assert run.answer == {
        "text": "Use json.dumps.",
        "citations": [{"name": "json.dumps", "where": library.docs["json.dumps"].where}],
    }


def test_a_model_sees_the_tools_and_what_every_step_gave(agent: Agent, library: Library) -> None:
    script = Script(["x"], READ, ANSWER)
    ask(agent, library, script)
    seen = "\n".join(message["content"] for message in script.asked[-1])
    assert "calculate(expression)" in seen
    assert QUESTION in seen
    assert "Serialize ``obj`` to a JSON formatted ``str``." in seen


def test_a_reply_with_words_and_a_fence_around_its_json_is_understood(agent: Agent, library: Library) -> None:
    fenced = f"Sure! Let me look.\n```json\n{json.dumps(READ)}\n```\nThat should help."
    assert decisions(ask(agent, library, Script(["x"], fenced, ANSWER)))[1] == ("read", "model")


def test_what_a_tool_could_not_do_is_told_to_the_model(agent: Agent, library: Library) -> None:
    script = Script(["x"], call("read", name="json.nothing"), READ, ANSWER)
    run = ask(agent, library, script)
    assert "nothing is documented under the name" in run.steps[1].result["error"]
    assert "nothing is documented under the name" in script.asked[2][-1]["content"]


@pytest.mark.parametrize(
    "garbage, reason",
    [
        ("I would rather not.", "no JSON"),
        ('{"tool": ', "broken"),
        ("[" * 100_000, "broken"),
        ([1, 2], "not an object"),
        ({"tool": "read"}, "not an object"),
        (call("format_disk"), "no tool 'format_disk'"),
        (call("read", name=7), "must be text"),
        (call("answer", text="From memory.", citations=["json.dumps"]), "was not read"),
        (call("answer", text="", citations=[]), "no text"),
        (call("answer", text="x", citations="json"), "list of names"),
    ],
)
def test_an_unusable_reply_is_sent_back_once_with_the_reason(
    agent: Agent, library: Library, garbage: Any, reason: str
) -> None:
    script = Script(["x"], garbage, READ, ANSWER)
    run = ask(agent, library, script)
    assert decisions(run)[1] == ("read", "model")
    assert reason in script.asked[2][-1]["content"]


def test_an_answer_that_cites_nothing_of_what_was_read_is_sent_back(agent: Agent, library: Library) -> None:
    script = Script(["x"], READ, call("answer", text="So.", citations=[]), ANSWER)
    assert decisions(ask(agent, library, script))[-1] == ("answer", "model")
    assert "cites nothing" in script.asked[3][-1]["content"]


def test_a_call_that_was_made_before_is_sent_back(agent: Agent, library: Library) -> None:
    script = Script(["x"], READ, READ, ANSWER)
    assert [tool for tool, _ in decisions(ask(agent, library, script))] == ["plan", "read", "answer"]
    assert "made before" in script.asked[3][-1]["content"]


def test_after_two_unusable_replies_the_rules_decide_that_step_only(agent: Agent, library: Library) -> None:
    run = ask(agent, library, Script(["x"], "no", "no", READ, ANSWER))
    assert decisions(run) == [("plan", "model"), ("recall", "rules"), ("read", "model"), ("answer", "model")]
    assert run.steps[1].by == "rules (the model's reply was unusable: there is no JSON in it)"


def test_a_model_that_only_fails_leaves_the_whole_run_to_the_rules(agent: Agent, library: Library) -> None:
    def broken(_: list[dict[str, str]]) -> str:
        raise OSError("no route to host")

    run = ask(agent, library, broken)
    assert {by for _, by in decisions(run)} == {"rules"}
    assert run.steps[0].by == "rules (the model failed: OSError: no route to host)"
    assert run.answer is not None
    assert "json" in run.answer["text"]


def test_a_model_that_gives_no_text_leaves_the_run_to_the_rules(agent: Agent, library: Library) -> None:
    def mute(_: list[dict[str, str]]) -> Any:
        return None

    assert "it is not text but NoneType" in ask(agent, library, mute).steps[0].by


def test_a_model_that_never_ends_is_stopped_and_the_rules_answer(agent: Agent, library: Library) -> None:
    numbers = iter(range(10_000))

    def endless(_: list[dict[str, str]]) -> str:
        return json.dumps(call("calculate", expression=f"{next(numbers)} + 1"))

    run = ask(agent, library, endless)
    assert [by for _, by in decisions(run)].count("model") == STEPS_MAX - 1
    assert run.answer is not None
    assert run.steps[-1].by == f"rules (the planner took {STEPS_MAX} steps)"


def test_without_the_variable_the_rules_plan() -> None:
    assert isinstance(planner_from({}, {}), RulePlanner)


def test_the_variable_plugs_a_model_in() -> None:
    assert isinstance(planner_from({VARIABLE: "json:dumps"}, {}), ModelPlanner)
    assert load("json:dumps") is json.dumps


@pytest.mark.parametrize("name", ["json", ":x", "json:", "no_such_module_here:f", "json:nothing", "sys:path"])
def test_a_variable_that_names_no_function_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ModelError, match=VARIABLE):
        planner_from({VARIABLE: name}, {})
