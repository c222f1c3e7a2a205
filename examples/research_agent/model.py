"""A planner that asks a language model, and falls back to the rules where the model is of no use.

A model is any function ``complete(messages) -> str``: it gets messages such as
``{"role": "user", "content": …}`` and gives the text of the next one.
``STATEHOUSE_AGENT_MODEL=package.module:function`` plugs one in; `openai_compatible` is one.

The model decides, and never does: its reply must be one JSON object that names a tool. A reply that is
something else, repeats a call, or cites what was not read is sent back once with the reason. If the second
one is no better, or the model raises, the rules decide this step; the record says so, and the model is asked
again for the next.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from examples.research_agent.planner import Planner, RulePlanner
from examples.research_agent.questions import goal_of
from examples.research_agent.runs import Call, Decision, Goal, Run

VARIABLE: Final = "STATEHOUSE_AGENT_MODEL"

Message = dict[str, str]
T = TypeVar("T")
Complete = Callable[[list[Message]], str]

_TRIES: Final = 2
_GOALS_MAX: Final = 6
_GOAL_CHARS_MAX: Final = 300
_RESULT_CHARS_MAX: Final = 4_000
_ANSWER_CHARS_MAX: Final = 20_000
_WHY_CHARS_MAX: Final = 120
_MODEL: Final = "model"

_RULES: Final = """\
You answer questions from the documentation of Python's standard library. You know nothing but what the tools
give. Reply with one JSON object and nothing else: {"tool": NAME, "arguments": {NAME: TEXT}, "goal": NUMBER}.
Goals are numbered from 1. Tools:
"""
_ANSWER: Final = (
    "answer(text, citations): ends the run; citations is a list of the full names you read, for example "
    '{"tool": "answer", "arguments": {"text": "Use it so.", "citations": ["json.dumps"]}}'
)
_PLAN: Final = "First plan: reply with a JSON list of what has to be found out, one to six short texts."


class ModelError(Exception):
    """The model cannot be loaded; the text says what to set the variable to."""


class _UnusableReplyError(Exception):
    """The model's reply cannot be followed; the text tells the model why."""


def planner_from(environment: Mapping[str, str], tools: Mapping[str, str]) -> Planner:
    """Gives the planner that the environment asks for: a model's, or the rules'.

    Args:
        environment: Where ``STATEHOUSE_AGENT_MODEL`` may be.
        tools: The tools and what they are for.

    Raises:
        ModelError: The variable names nothing that can be called.
    """
    wanted = environment.get(VARIABLE, "")
    return ModelPlanner(load(wanted), tools) if wanted else RulePlanner()


def load(name: str) -> Complete:
    """Gives the function that ``module:function`` names.

    Raises:
        ModelError: There is no such module or function, or it cannot be called.
    """
    module, colon, function = name.partition(":")
    if not module or not colon or not function:
        raise ModelError(f"{VARIABLE} must be module:function, not {name!r}")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{VARIABLE}={name}: {error}") from error
    if not callable(found):
        raise ModelError(f"{VARIABLE}={name}: {function} cannot be called")
    complete: Complete = found
    return complete


class ModelPlanner:
    """Plans by asking a model.

    Args:
        complete: The model.
        tools: The tools and what they are for.
    """

    def __init__(self, complete: Complete, tools: Mapping[str, str]) -> None:
        self._complete = complete
        self._tools = tools
        self._rules = RulePlanner()

    def plan(self, question: str) -> tuple[tuple[Goal, ...], str]:
        """Gives what the model wants to find out."""
        messages = [*self._opening(question), {"role": "user", "content": _PLAN}]
        goals, why = self._ask(messages, _goals)
        if goals is not None:
            return goals, _MODEL
        goals, by = self._rules.plan(question)
        return goals, f"{by} ({why})"

    def next(self, run: Run) -> Decision:
        """Gives the call that the model wants next."""
        call, why = self._ask(self._transcript(run), lambda reply: self._call(run, reply))
        if call is not None:
            return Decision(call, _MODEL)
        decision = self._rules.next(run)
        return Decision(decision.call, f"{decision.by} ({why})")

    def _ask(self, messages: list[Message], understand: Callable[[Any], T]) -> tuple[T | None, str]:
        """Gives what the model's reply means; or None, and why it was of no use."""
        why = ""
        for _ in range(_TRIES):
            try:
                text = self._complete(messages)
            except Exception as error:  # noqa: BLE001 - whatever a model's client raises, the run goes on without it
                return None, f"the model failed: {type(error).__name__}: {error}"[:_WHY_CHARS_MAX]
            try:
                return understand(_json_in(text)), ""
            except _UnusableReplyError as error:
                why = f"the model's reply was unusable: {error}"[:_WHY_CHARS_MAX]
                messages = [
                    *messages,
                    {"role": "assistant", "content": str(text)[:_RESULT_CHARS_MAX]},
                    {"role": "user", "content": f"That cannot be followed: {error}. Try once more."},
                ]
        return None, why

    def _opening(self, question: str) -> list[Message]:
        tools = "\n".join([*(f"{name}{what}" for name, what in self._tools.items()), _ANSWER])
        return [{"role": "system", "content": _RULES + tools}, {"role": "user", "content": question}]

    def _transcript(self, run: Run) -> list[Message]:
        plan = "\n".join(f"{number}. {goal.text}" for number, goal in enumerate(run.goals, 1))
        messages = [*self._opening(run.question), {"role": "user", "content": f"The plan:\n{plan}\nBegin."}]
        for step in run.steps[1:]:
            call = {"tool": step.call.tool, "arguments": step.call.arguments, "goal": step.call.goal + 1}
            messages.append({"role": "assistant", "content": json.dumps(call, ensure_ascii=False)})
            result = json.dumps(step.result, ensure_ascii=False)[:_RESULT_CHARS_MAX]
            messages.append({"role": "user", "content": f"It gave: {result}"})
        return messages

    def _call(self, run: Run, reply: Any) -> Call:
        if not isinstance(reply, dict) or not isinstance(reply.get("arguments"), dict):
            raise _UnusableReplyError('it is not an object with "tool" and "arguments"')
        tool, arguments, goal = reply.get("tool"), reply["arguments"], reply.get("goal", 0)
        if tool == "answer":
            return _answer(run, arguments)
        if not isinstance(tool, str) or tool not in self._tools:
            raise _UnusableReplyError(
                f"there is no tool {tool!r:.40}; there are {', '.join(self._tools)} and answer"
            )
        if not all(isinstance(value, str) for value in arguments.values()):
            raise _UnusableReplyError("every argument must be text")
        if any(step.call.tool == tool and step.call.arguments == arguments for step in run.steps):
            raise _UnusableReplyError("this call was made before, and its result is above")
        valid = type(goal) is int and 0 < goal <= len(run.goals)
        return Call(tool, arguments, goal - 1 if valid else -1)


def _answer(run: Run, arguments: dict[str, Any]) -> Call:
    text, names = arguments.get("text"), arguments.get("citations", [])
    if not isinstance(text, str) or not text.strip() or len(text) > _ANSWER_CHARS_MAX:
        raise _UnusableReplyError(f"the answer has no text, or more than {_ANSWER_CHARS_MAX} characters")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _UnusableReplyError("citations must be a list of names")
    read = run.read_names()
    if unread := [name for name in names if name not in read]:
        raise _UnusableReplyError(f"it cites {', '.join(unread)[:80]}, which was not read")
    if read and not names:
        raise _UnusableReplyError("it cites nothing of what was read")
    places = {step.result["name"]: step.result["where"] for step in run.steps if "where" in step.result}
    citations = [
        {"name": name, "where": places.get(name, "in the notebook")} for name in dict.fromkeys(names)
    ]
    return Call("answer", {"text": text.strip(), "citations": citations})


def _goals(reply: Any) -> tuple[Goal, ...]:
    if not isinstance(reply, list) or not 0 < len(reply) <= _GOALS_MAX:
        raise _UnusableReplyError(f"it is not a list of one to {_GOALS_MAX} texts")
    if not all(isinstance(text, str) and 0 < len(text.strip()) <= _GOAL_CHARS_MAX for text in reply):
        raise _UnusableReplyError(f"every goal must be a text of at most {_GOAL_CHARS_MAX} characters")
    return tuple(
        goal_of(text, first=not number) or Goal(text.strip(), "find") for number, text in enumerate(reply)
    )


def _json_in(text: object) -> Any:
    """Gives the JSON of a reply; models like to put words or a fence around it."""
    if not isinstance(text, str):
        raise _UnusableReplyError(f"it is not text but {type(text).__name__}")
    starts = [position for position in (text.find("{"), text.find("[")) if position >= 0]
    if not starts:
        raise _UnusableReplyError("there is no JSON in it")
    try:
        return json.JSONDecoder().raw_decode(text, min(starts))[0]
    except (ValueError, RecursionError) as error:
        raise _UnusableReplyError(f"its JSON is broken: {error}") from None
