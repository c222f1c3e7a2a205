"""By default every peer imports and calls whatever a checkpoint names when it loads it; ours does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import make_dataclass
from typing import Any

import pytest

from statehouse_langgraph import StatehouseSaver
from tests.langgraph.peers.savers import Saver
from tests.langgraph.saver.chains import Chain, tuple_at

BOMB = "tests.langgraph.peers.bomb"


@pytest.fixture(autouse=True)
def _not_imported() -> Iterator[None]:
    """The module that the data names was never imported by the program."""
    assert BOMB not in sys.modules
    yield
    sys.modules.pop(BOMB, None)


def hostile() -> Any:
    """An object that serializes as one of a class in a module that nobody imported; it is a function."""
    kind = make_dataclass("explode", ["message"])
    kind.__module__ = BOMB
    return kind("boom")


def load(saver: Saver) -> Any:
    """Stores the object, and loads it as another process would."""
    chain = Chain(saver)
    config = chain.add("1", {"x": hostile()})
    return tuple_at(saver, config).checkpoint["channel_values"]["x"]


def test_ours_imports_and_calls_nothing(ours: StatehouseSaver) -> None:
    loaded = load(ours)
    assert BOMB not in sys.modules
    assert loaded == {"message": "boom"}


def test_theirs_imports_the_module_and_calls_the_function(theirs: Saver) -> None:
    loaded = load(theirs)
    assert BOMB in sys.modules
    assert loaded == "exploded: boom"
