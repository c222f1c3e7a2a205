"""What steps take and give: JSON and back by annotation, and large values once a run."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from statehouse import (
    InvalidArgumentError,
    LimitExceededError,
    Statehouse,
    StepFunction,
    register_step_type,
    step,
)
from statehouse.extend import run as run_flow
from statehouse.steps.annotations import from_json
from statehouse.steps.inputs import Parameters
from statehouse.steps.reading import read_slot
from statehouse.steps.shapes import to_json
from statehouse.steps.shared import INLINE_BYTES_MAX
from tests.steps.colours import Colour
from tests.steps.conftest import Worker

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    title: str
    done: bool = False
    due: date | None = None


@dataclass
class Plan:
    goal: str
    tasks: list[Task] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int


class Colouring(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Question(BaseModel):
    kind: Literal["question"] = "question"
    text: str
    at: datetime | None = None


class Answer(BaseModel):
    kind: Literal["answer"] = "answer"
    text: str
    sources: list[Path] = []


class Board(TypedDict):
    tasks: list[Task]
    owner: str


class Page(BaseModel, Generic[T]):
    rows: list[T]


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
VALUES: list[tuple[Any, Any]] = [
    (None, None),
    (2**60, int),
    ("tea", str),
    ([1, "a", None], list[Any]),
    ({"a": {"b": [1.5]}}, dict[str, Any]),
    (Task("tea", due=date(2026, 1, 2)), Task),
    (Plan("breakfast", [Task("tea"), Task("toast", True)]), Plan),
    ({"a": Task("tea")}, dict[str, Task]),
    ((1, "a"), tuple[int, str]),
    ((Task("a"), Task("b")), tuple[Task, ...]),
    (Point(1, 2), Point),
    ([Point(1, 2)], Sequence[Point]),
    (Colouring.BLUE, Colouring),
    (Level.HIGH, Level),
    ({Colouring.RED}, set[Colouring]),
    (frozenset({1, 2}), frozenset[int]),
    (b"\x00\xff", bytes),
    (NOON, datetime),
    (time(12, 30), time),
    (timedelta(seconds=1.5), timedelta),
    (UUID(int=7), UUID),
    (Decimal("1.10"), Decimal),
    (Path("a/b"), Path),
    (Question(text="why", at=NOON), Question),
    ([Question(text="why"), Answer(text="so", sources=[Path("a")])], list[Question | Answer]),
    (Answer(text="so"), Annotated[Question | Answer, Field(discriminator="kind")]),
    (Page[Task](rows=[Task("tea")]), Page[Task]),
    (Task("tea"), Task | None),
    (None, Task | None),
    (Plan("x"), Task | Plan),
    ("tea", int | str),
    ({"tasks": [Task("tea")], "owner": "Ada"}, Board),
    ("a", Literal["a", "b"]),
    ({"a": 1}, Mapping[str, int]),
]


@pytest.mark.parametrize("value,annotation", VALUES, ids=[str(annotation) for _, annotation in VALUES])
def test_what_an_annotation_says_comes_back(value: Any, annotation: Any) -> None:
    found = from_json(to_json(value), annotation)
    assert (found, type(found)) == (value, type(value))


def returning(value: Any, annotation: Any) -> StepFunction[[], Any]:
    def give() -> Any:
        return value

    give.__annotations__["return"] = annotation
    return step(give)


def test_a_result_is_the_same_the_first_time_and_later(worker: Worker) -> None:
    plan = Plan("breakfast", [Task("tea", due=date(2026, 1, 2))])
    steps = [returning(plan, Plan), returning((1, 2), None), returning({"t": (1,)}, dict[str, Any])]
    given = []
    for _ in range(2):
        with worker().run("r-1", agent_id="a"):
            given.append([each() for each in steps])
    assert given[0] == given[1] == [plan, [1, 2], {"t": [1]}]


@pytest.mark.parametrize("annotation", [None, Any, dict])
def test_a_result_that_could_not_come_back_is_refused(memory: Statehouse, annotation: Any) -> None:
    with memory.run("r-1", agent_id="a"), pytest.raises(InvalidArgumentError, match="returned Task"):
        returning(Task("tea"), annotation)()


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), {"a": object()}, lambda: 1])
def test_what_is_not_json_is_refused_as_a_result_and_as_an_argument(memory: Statehouse, value: Any) -> None:
    @step
    def take(thing: Any) -> None:
        raise AssertionError("it does not run")

    with memory.run("r-1", agent_id="a"):
        with pytest.raises(InvalidArgumentError, match="the result of"):
            returning(value, None)()
        with pytest.raises(InvalidArgumentError, match=r"@step\(ignore=\['thing'\]\)"):
            take(value)


def test_what_contains_itself_is_refused(memory: Statehouse) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with memory.run("r-1", agent_id="a"), pytest.raises(InvalidArgumentError, match="too deeply"):
        returning(loop, None)()


def test_values_as_deep_as_the_store_takes_are_taken(worker: Worker) -> None:
    deep: Any = 1
    for _ in range(32):
        deep = [deep]
    for _ in range(2):
        with worker().run("r-1", agent_id="a"):
            assert returning(deep, None)() == deep
    with worker().run("r-2", agent_id="a"), pytest.raises(LimitExceededError, match="deeper than 32"):
        returning([deep], None)()


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)


def test_a_class_can_be_taught(worker: Worker) -> None:
    register_step_type(Money, encode=lambda money: money.cents, decode=Money)

    @step
    def pay(amount: Money) -> list[Money]:
        return [amount, Money(1)]

    for _ in range(2):
        with worker().run("r-1", agent_id="a"):
            assert pay(Money(7)) == [Money(7), Money(1)]


class Client:
    """No data."""


def test_what_is_no_data_is_left_out(worker: Worker) -> None:
    @step(ignore=["client"])
    def ask(question: str, client: Client) -> str:
        assert isinstance(client, Client)
        return question

    for _ in range(2):
        with worker().run("r-1", agent_id="a") as run:
            assert ask("why", Client()) == "why"
    assert [dict(each.input) for each in run.steps()] == [{"question": {"json": "why"}}]


class Agent:
    def __init__(self) -> None:
        self.asked = 0

    @step
    def ask(self, question: str) -> str:
        self.asked += 1
        return question


def test_a_method_can_be_a_step(worker: Worker) -> None:
    agent = Agent()
    for _ in range(2):
        with worker().run("r-1", agent_id="a"):
            assert agent.ask("why") == "why"
    assert agent.asked == 1


def test_arguments_are_the_same_however_they_are_passed(memory: Statehouse) -> None:
    ran: list[int] = []

    @step
    def add(a: int, b: int = 2) -> int:
        ran.append(1)
        return a + b

    for args, kwargs in (((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2, "a": 1})):
        with memory.run("r-1", agent_id="a"):
            assert add(*args, **kwargs) == 3
    assert ran == [1]


def test_what_a_body_does_to_its_arguments_is_not_recorded(memory: Statehouse) -> None:
    @step
    def spoil(items: list[int]) -> int:
        items.clear()
        return 1

    with memory.run("r-1", agent_id="a") as run:
        spoil([1, 2])
        assert run.steps()[0].input == {"items": {"json": [1, 2]}}


def test_recorded_arguments_can_be_called_again() -> None:
    def function(plan: Plan, *rest: Task, last: date, **more: Point) -> None: ...

    parameters = Parameters(function)
    args, kwargs = (Plan("x"), Task("a"), Task("b")), {"last": date(2026, 1, 2), "p": Point(1, 2)}
    assert parameters.arguments(parameters.take(args, kwargs).values) == (args, kwargs)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(value=JSON_VALUES)
def test_any_json_comes_back_as_it_is(value: Any) -> None:
    assert from_json(to_json(value), Any) == value


@pytest.mark.parametrize("size", [INLINE_BYTES_MAX - 2, INLINE_BYTES_MAX - 1])
def test_above_8_kib_a_record_refers_to_its_value(sh: Statehouse, colour: Colour, size: int) -> None:
    text = "x" * size
    with colour.run(sh) as run:
        assert colour.step(lambda text: text, name="echo")(text) == text
        (record,) = run.steps()
    referred = size + 2 > INLINE_BYTES_MAX
    assert ("ref" in record.input["text"]) is referred
    assert run_flow(sh, read_slot("default", "r-1", record.output)) == text
    assert len(sh.list_keys("value/", agent_id="r-1", namespace="default.runs")) == int(referred)


def test_what_is_large_comes_back_when_a_run_is_resumed(worker: Worker, colour: Colour) -> None:
    large = {"rows": ["x" * 1000] * 50}
    ran: list[int] = []

    def make() -> dict[str, Any]:
        ran.append(1)
        return large

    for _ in range(2):
        with colour.run(worker()):
            assert colour.step(make)() == large
    assert ran == [1]


def test_a_conversation_costs_what_is_new_in_it(tmp_path: Path) -> None:
    @step
    def turn(conversation: list[str]) -> str:
        return os.urandom(500).hex()

    conversation: list[str] = []
    with Statehouse(tmp_path, durability="none") as sh, sh.run(agent_id="a"):
        for _ in range(100):
            conversation.append(turn(conversation))
    stored = sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
    # Random hexadecimal text: half of it is news to whoever packs it.
    assert stored < 5 * len("".join(conversation))
