"""What makes no sense is said at once, and what goes wrong around a step is not taken for its failure."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import date
from functools import partial
from typing import Any, TypeVar

import pytest

from statehouse import (
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    OverloadedError,
    PreconditionFailedError,
    Statehouse,
    StepError,
    current_step,
    step,
)
from statehouse.errors import ConnectionError
from statehouse.extend import Commit, Request
from statehouse.extend import run as run_flow
from statehouse.steps.annotations import from_json
from statehouse.steps.failures import from_record
from statehouse.steps.reading import read_run, read_steps
from statehouse.testing.reference import ReferenceEngine
from tests.steps.colours import Colour, Killed
from tests.steps.test_values import Colouring, Plan, Point, Task

R = TypeVar("R")

OPTIONS: list[dict[str, Any]] = [
    {"retries": -1},
    {"retries": True},
    {"conflict_retries": -1},
    {"backoff": -1},
    {"backoff": "soon"},
    {"timeout": 0},
    {"timeout": "1"},
    {"on_mismatch": "perhaps"},
    {"effect": "never"},
    {"if_unknown": "guess"},
    {"effect": "at_most_once", "retries": 1},
    {"name": ""},
    {"errors": [int]},
    {"ignore": ["nothing"]},
    {"ignore": [7]},
    {"retry_if": 5},
    {"key": 7},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_option_that_makes_no_sense_is_refused_where_it_is_written(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        step(**options)(lambda: None)


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="no such option"):
        step(lambda: None).options(patience=1)


@pytest.mark.parametrize("options", [{"ignore": "client"}, {"ignore": None}, {"errors": ValueError}], ids=str)
def test_one_value_where_a_list_is_meant_is_refused(options: dict[str, Any]) -> None:
    for make in (step, step(lambda client: None).options):
        with pytest.raises(InvalidArgumentError, match=r"must be a list: write \w+=\[\.\.\.\]"):
            make(**options)


@pytest.mark.parametrize(
    "function, message",
    [
        (Killed, "is a class, and a step is a function"),
        (partial(max, 3), "write a function, def"),
        (staticmethod(len), "@step stands below @staticmethod"),
        (classmethod(lambda cls: None), "@step stands below @classmethod"),
        (7, "write a function, def"),
    ],
)
def test_what_is_no_function_with_a_name_is_no_step(function: Any, message: str) -> None:
    for decorate in (step, step(name="named")):
        with pytest.raises(InvalidArgumentError, match=message):
            decorate(function)


def test_a_call_with_a_missing_argument_names_the_function(memory: Statehouse) -> None:
    named: Any = step(from_json)
    with (
        memory.run(agent_id="a"),
        pytest.raises(TypeError, match=r"from_json\(\): missing a required argument"),
    ):
        named(1)


def test_a_generator_is_no_step() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(InvalidArgumentError, match="is a generator"):
        step(numbers)


@pytest.mark.parametrize("key", [7, ""])
def test_a_key_is_text(memory: Statehouse, key: Any) -> None:
    with memory.run(agent_id="a"), pytest.raises(InvalidArgumentError, match="key of a step must be text"):
        step(lambda: 1).options(key=lambda: key)()


def test_a_path_that_is_too_long_is_refused(memory: Statehouse) -> None:
    @step(name="n" * 200)
    def deeper() -> int:
        return deeper()

    with memory.run(agent_id="a"), pytest.raises(LimitExceededError, match="nest less deeply"):
        deeper()


def test_nothing_is_bound_outside_a_run() -> None:
    with pytest.raises(StepError, match="was called outside a run"):
        step(lambda: 1).bind()


@step
def sent() -> int:
    """A step that is handed to another process."""
    return 7


def test_a_step_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(sent)) is sent


def test_how_a_backoff_grows() -> None:
    options = step(retries=9, backoff=0.5)(lambda: None).definition.options
    assert [options.delay_s(attempt) for attempt in (1, 2, 3, 99)] == [0.5, 1.0, 2.0, 60.0]
    named = step(backoff=lambda attempt: attempt * 0.1)(lambda: None).definition.options
    assert named.delay_s(3) == pytest.approx(0.3)


class Failing:
    """Answers commits of steps with an error, so many times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.inner = ReferenceEngine()
        self.error = error
        self.left = times
        self.step_commits = 0

    def execute(self, request: Request[R]) -> R:
        """Answers, or not."""
        if isinstance(request, Commit) and request.origin.step:
            self.step_commits += 1
            if self.left > 0:
                self.left -= 1
                raise self.error
        return self.inner.execute(request)

    def submit(self, request: Request[R]) -> Future[R]:
        """Is not asked: this is the blocking colour."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""


def test_a_result_is_not_thrown_away_for_a_hiccup() -> None:
    engine, ran = Failing(OverloadedError("busy", retry_after=0.0, reason="queue_full"), 2), list[int]()

    @step
    def work() -> int:
        ran.append(1)
        return 7

    with Statehouse.from_engine(engine) as sh, sh.run("r-1", agent_id="a"):
        assert work() == 7
    assert (ran, engine.step_commits) == ([1], 3)


def test_a_store_that_is_gone_is_no_failure_of_the_step() -> None:
    engine, ran = Failing(ConnectionError("gone"), 99), list[int]()

    @step
    def work() -> int:
        ran.append(1)
        return 7

    with (
        pytest.raises(ConnectionError),
        Statehouse.from_engine(engine, timeout=0.1) as sh,
        sh.run("r-1", agent_id="a"),
    ):
        work()
    engine.left = 0
    with Statehouse.from_engine(engine) as sh, sh.run("r-1"):
        assert work() == 7
        assert run_flow(sh, read_run("default", "r-1")).retry == ()
    assert ran == [1, 1]


def test_a_failure_that_cannot_be_recorded_is_raised_all_the_same() -> None:
    engine = Failing(ConnectionError("gone"), 99)

    @step
    def fail() -> None:
        raise ValueError("no tea")

    with (
        pytest.raises(ValueError, match="no tea") as caught,
        Statehouse.from_engine(engine, timeout=0.1) as sh,
        sh.run("r-1", agent_id="a"),
    ):
        fail()
    assert "could not be recorded: gone" in "".join(caught.value.__notes__)


def test_a_full_disk_is_not_waited_for() -> None:
    engine = Failing(OverloadedError("full", retry_after=0.0, reason="disk_full"), 99)
    with (
        pytest.raises(OverloadedError, match="full"),
        Statehouse.from_engine(engine) as sh,
        sh.run("r-1", agent_id="a"),
    ):
        step(lambda: 1)()
    assert engine.step_commits == 1


def test_what_is_said_of_a_step_must_fit(memory: Statehouse, colour: Colour) -> None:
    def pay() -> None:
        raise Killed

    paying = colour.step(pay, effect="at_most_once")
    with pytest.raises(Killed), colour.run(memory):
        paying()
    with colour.run(memory) as run:
        for wrong in ({}, {"output": 1, "retry": True}):
            with pytest.raises(InvalidArgumentError, match="say how the step ended"):
                run.resolve("pay#1", **wrong)
        with pytest.raises(NotFoundError, match="has no step pay#2"):
            run.resolve("pay#2", retry=True)
        run.resolve("pay#1", output=None)
        with pytest.raises(PreconditionFailedError, match="has ended at commit_ts"):
            run.resolve("pay#1", retry=True)


def test_a_record_of_a_newer_version_is_refused(memory: Statehouse) -> None:
    memory.write("step/work#1", {"v": 99}, agent_id="r-1", namespace="default.runs")
    with pytest.raises(InvalidArgumentError, match="upgrade this one"):
        run_flow(memory, read_steps("default", "r-1"))


@pytest.mark.parametrize("value", [7, [], {"v": 1}, {"name": "work"}])
def test_what_is_no_record_is_refused(memory: Statehouse, value: Any) -> None:
    memory.write("step/work#1", value, agent_id="r-1", namespace="default.runs")
    with pytest.raises(InvalidArgumentError, match="is not the record of a step"):
        run_flow(memory, read_steps("default", "r-1"))


@pytest.mark.parametrize("value", [{"v": 1}, {"v": 1, "agent_id": 7}])
def test_a_malformed_record_of_a_run_says_what_it_has_not(memory: Statehouse, value: Any) -> None:
    memory.write("run", value, agent_id="r-9", namespace="default.runs")
    said = r"default\.runs/r-9/run is not the record of a run, or a malformed one: it has no agent_id"
    with pytest.raises(InvalidArgumentError, match=said):
        run_flow(memory, read_run("default", "r-9"))


def test_there_is_no_run_that_is_not_there(memory: Statehouse) -> None:
    with pytest.raises(NotFoundError, match="there is no run r-404"):
        run_flow(memory, read_run("default", "r-404"))


WRONG: list[tuple[Any, Any]] = [
    ("x", Plan),
    ({}, Task),
    ({"title": "a"}, list[Task]),
    (7, bytes),
    ([1], tuple[int, int]),
    ([1, 2], Point),
    ("tomorrow", date),
    ("green", Colouring),
]


@pytest.mark.parametrize("value,annotation", WRONG, ids=str)
def test_what_is_recorded_must_be_what_the_annotation_says(value: Any, annotation: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        from_json(value, annotation)


@pytest.mark.parametrize(
    "facts,expected",
    [
        ({"type": "KeyError", "message": "x"}, KeyError),
        ({"type": "UnicodeDecodeError", "message": "x"}, UnicodeDecodeError),
        ({"type": "statehouse.errors.NotFoundError", "message": "x", "code": "not_found"}, NotFoundError),
        ({"type": "SystemExit", "message": "x"}, StepError),
        ({"type": "open", "message": "x"}, StepError),
        ({"type": "os.system", "message": "x"}, StepError),
    ],
    ids=lambda value: str(value.get("type")) if isinstance(value, dict) else "",
)
def test_a_recorded_name_makes_no_more_than_exceptions(facts: dict[str, Any], expected: type) -> None:
    assert type(from_record("work#1", facts, [])) is expected


def test_state_is_a_mapping(memory: Statehouse) -> None:
    memory.write("x", 1, agent_id="a")
    memory.write("log", ["a" * 3000], agent_id="a")

    @step
    def work() -> list[Any]:
        state = current_step().state
        state.update({"y": 2, "z": 3})
        state.setdefault("w", 4)
        log = state.record("log")
        state.grow("log", [*log.value, "b"], log)
        found = [sorted(state), len(state), state.pop("x"), "x" in state, state.pop("none", 0), state["z"]]
        del state["z"]
        for wrong in ("z", "never"):
            with pytest.raises(KeyError):
                del state[wrong]
        with pytest.raises(NotFoundError):
            state.record("z")
        assert (state.agent_id, "work#1" in repr(state), state.get("z", 9)) == ("a", True, 9)
        return found

    with memory.run(agent_id="a"):
        assert work() == [["log", "w", "x", "y", "z"], 5, 1, False, 0, 3]
    assert memory.list_keys(agent_id="a") == ["log", "w", "y"]


def test_what_has_ended_is_written_to_no_more(memory: Statehouse) -> None:
    @step
    def leave() -> None:
        kept.append(current_step())

    kept: list[Any] = []
    with memory.run(agent_id="a"):
        leave()
        with pytest.raises(StepError, match="has ended"):
            kept[0].state["x"] = 1
        with pytest.raises(StepError, match="has ended"):
            kept[0].now()
    assert memory.list_keys(agent_id="a") == []
