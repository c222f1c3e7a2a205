"""What a question asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.research_agent.questions import arithmetic_in, goals_of


@pytest.mark.parametrize(
    "question, goals",
    [
        (
            "How do I parse an ISO date and add 3 days?",
            [("find", "How do I parse an ISO date"), ("find", "add 3 days")],
        ),
        (
            "Which module compresses with LZMA and what does its open() accept?",
            [("module", "Which module compresses with LZMA"), ("member", "what does its open() accept")],
        ),
        ("How do I read and write JSON files?", [("find", "How do I read and write JSON files")]),
        ("Which modules are about compression?", [("modules", "Which modules are about compression")]),
        ("Show me the source of textwrap.dedent.", [("source", "Show me the source of textwrap.dedent")]),
        (
            "What does os.path.join do? And what is 2^10?",
            [("names", "What does os.path.join do"), ("compute", "And what is 2^10")],
        ),
        ("???", [("find", "???")]),
    ],
)
def test_a_question_is_split_where_it_asks_anew(question: str, goals: list[tuple[str, str]]) -> None:
    assert [(goal.kind, goal.text) for goal in goals_of(question)] == goals


def test_a_comparison_is_one_goal_with_two_names() -> None:
    (goal,) = goals_of("What is the difference between bisect_left and bisect_right?")
    assert goal.names == ("bisect_left", "bisect_right")


@pytest.mark.parametrize(
    "text, expression",
    [
        ("How many seconds are in 3 weeks?", "3 * 7 * 24 * 60 * 60"),
        ("How many hours are there in a week?", "1 * 7 * 24"),
        ("convert 90 minutes to hours", "90 / (60)"),
        ("How many bytes are in 5 GiB?", "5 * 1024 * 1024 * 1024"),
        ("What is 12% of 340?", "340 * 12 / 100"),
        ("What is sqrt(16) * 2?", "sqrt(16) * 2"),
        ("7 times 8 plus 2", "7 * 8 + 2"),
        ("2^10", "2**10"),
        ("1/0", "1/0"),
    ],
)
def test_arithmetic_is_noticed(text: str, expression: str) -> None:
    assert arithmetic_in(text) == expression


@pytest.mark.parametrize(
    "text",
    ["add 3 days", "what happened on 2024-01-15", "Python 3.11", "a - b", "base64", "how many seconds", "()"],
)
def test_what_is_no_arithmetic_is_left_alone(text: str) -> None:
    assert arithmetic_in(text) == ""


@given(st.text(max_size=200))
def test_every_question_has_a_goal(question: str) -> None:
    assert 1 <= len(goals_of(question)) <= 6
