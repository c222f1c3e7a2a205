"""Lists of messages are serialized for what is new, to the very bytes the serializer gives (E1-E3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from statehouse_langgraph import AllowlistSerializer
from statehouse_langgraph.saver.encoding import ELEMENTS_MIN, EncodedList, encode

SERDE = AllowlistSerializer()
FACTS = st.dictionaries(
    st.sampled_from("abc"), st.one_of(st.booleans(), st.integers(-1, 1), st.floats(0, 1), st.text(max_size=3))
)


def messages(count: int) -> list[AnyMessage]:
    return [HumanMessage(content=f"message {number}", id=str(number)) for number in range(count)]


@st.composite
def message(draw: st.DrawFn) -> AnyMessage:
    text = draw(st.text(max_size=300))
    match draw(st.integers(0, 3)):
        case 0:
            return HumanMessage(content=text)
        case 1:
            return AIMessage(content=text, additional_kwargs=draw(FACTS), response_metadata=draw(FACTS))
        case 2:
            call: Any = {"name": "look", "args": draw(FACTS), "id": "1", "type": "tool_call"}
            return AIMessage(content=[text, {"type": "text", "text": text}], tool_calls=[call])
        case _:
            return ToolMessage(content=text, tool_call_id="1", artifact=draw(FACTS))


Edit = tuple[str, int, AnyMessage]
EDITS = st.tuples(
    st.sampled_from(["append", "replace", "remove", "mutate", "front"]), st.integers(0, 80), message()
)


def edited(value: list[AnyMessage], edit: Edit) -> list[AnyMessage]:
    kind, place, new = edit
    place %= max(1, len(value))
    if not value:
        return [new]
    match kind:
        case "append":
            return [*value, new]
        case "replace":
            return [*value[:place], new, *value[place + 1 :]]
        case "remove":
            return [*value[:place], *value[place + 1 :]]
        case "front":
            return [new, *value]
        case _:
            # In place, as a program may: nobody is told.
            value[place].additional_kwargs["changed"] = new.content
            return list(value)


@given(start=st.integers(0, 2 * ELEMENTS_MIN), edits=st.lists(EDITS, max_size=8))
def test_whatever_became_of_a_list_its_bytes_are_the_serializers(start: int, edits: list[Edit]) -> None:
    value, before = messages(start), None
    for edit in edits:
        value = edited(value, edit)
        typed, before = encode(value, SERDE, before)
        assert typed == SERDE.dumps_typed(value)


@pytest.mark.parametrize("count", [ELEMENTS_MIN, 70_000])
def test_the_header_grows_with_the_list(count: int) -> None:
    one = HumanMessage(content="")
    value: list[AnyMessage] = [one] * (count - 1)
    _, before = encode(value, SERDE, None)
    typed, _ = encode([*value, one], SERDE, before)
    assert typed == SERDE.dumps_typed([*value, one])


def test_only_what_is_new_is_serialized(monkeypatch: pytest.MonkeyPatch) -> None:
    value = messages(ELEMENTS_MIN)
    _, before = encode(value, SERDE, None)
    seen: list[int] = []
    whole = AllowlistSerializer.dumps_typed

    def counting(self: AllowlistSerializer, obj: Any) -> tuple[str, bytes]:
        seen.append(len(obj))
        return whole(self, obj)

    monkeypatch.setattr(AllowlistSerializer, "dumps_typed", counting)
    encode([*value, HumanMessage(content="new")], SERDE, before)
    assert seen == [1]


@pytest.mark.parametrize("before, after", [(1, True), (True, 1), (1, 1.0), (0, False)])
def test_what_is_equal_and_written_differently_is_written_again(before: object, after: object) -> None:
    value: list[Any] = [*messages(ELEMENTS_MIN), AIMessage(content="x", additional_kwargs={"n": before})]
    _, known = encode(value, SERDE, None)
    value[-1].additional_kwargs["n"] = after
    typed, _ = encode(value, SERDE, known)
    assert typed == SERDE.dumps_typed(value)


class Strange:
    """Nothing that can be told to be unchanged."""


def test_what_holds_more_than_plain_values_is_not_reused() -> None:
    value: list[Any] = [
        *messages(ELEMENTS_MIN),
        AIMessage(content="x", additional_kwargs={"n": {1, 2}, "o": Strange}),
    ]
    value[-1].additional_kwargs.pop("o")
    typed, known = encode(value, SERDE, None)
    assert typed == SERDE.dumps_typed(value)
    assert known is None or isinstance(known, EncodedList)


def test_other_serializers_are_asked_for_the_whole() -> None:
    class Other(JsonPlusSerializer):
        pass

    assert encode(messages(ELEMENTS_MIN), Other(), None)[1] is None
