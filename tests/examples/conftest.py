"""The library that the agent reads in, read once for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.research_agent.library import Library
from statehouse import Agent, Statehouse


@pytest.fixture(scope="session")
def library_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the library is ready to be loaded."""
    cache = tmp_path_factory.mktemp("library")
    Library.open(cache)
    return cache


@pytest.fixture(scope="session")
def library(library_cache: Path) -> Library:
    return Library.open(library_cache)


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Statehouse("memory:") as sh:
        yield sh.agent("researcher")
