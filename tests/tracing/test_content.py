"""How much of what may be put on a span."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statehouse.tracing.content import CONTENT_BYTES_MAX, VARIABLE, captures_content, clipped


def test_nothing_is_captured_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not captures_content()


@pytest.mark.parametrize(
    "value, captures",
    [
        ("true", True),
        ("TRUE", True),
        ("span_only", True),
        ("SPAN_AND_EVENT", True),
        ("event_only", False),
        ("no_content", False),
        ("false", False),
        ("", False),
    ],
)
def test_the_words_of_all_versions_are_understood(
    monkeypatch: pytest.MonkeyPatch, value: str, captures: bool
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert captures_content() is captures


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=50), st.integers(0, 500))
def test_a_text_never_has_more_than_8_kib(text: str, times: int) -> None:
    found = clipped(text * times)
    assert len(found.encode()) <= CONTENT_BYTES_MAX


def test_a_short_text_stays_as_it_is() -> None:
    assert clipped("tea needs wäter") == "tea needs wäter"


def test_a_long_text_shows_that_it_was_cut() -> None:
    assert clipped("ä" * CONTENT_BYTES_MAX).endswith("ä…")
