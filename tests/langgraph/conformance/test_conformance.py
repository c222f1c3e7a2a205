"""LangGraph's conformance suite, unchanged: each capability is there and passes, in each home and colour.

The suite only awaits; the blocking methods go through it under the names of the awaiting ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import validate
from langgraph.checkpoint.conformance.capabilities import Capability, DetectedCapabilities
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer
from langgraph.checkpoint.conformance.report import CapabilityResult
from langgraph.checkpoint.memory import InMemorySaver

from statehouse_langgraph import StatehouseSaver
from tests.langgraph.conformance.blocking import Blocking
from tests.langgraph.homes import HOMES, opened


def conformance(saver: BaseCheckpointSaver[str], capability: Capability) -> CapabilityResult:
    """Gives what the suite finds out about one capability of a saver."""

    async def factory() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield saver

    registered = RegisteredCheckpointer(type(saver).__name__, factory)
    report = asyncio.run(validate(registered, capabilities={capability.value}))
    return report.results[capability.value]


@pytest.fixture(params=HOMES)
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StatehouseSaver]:
    """Ours, on an empty store."""
    with opened(request.param, tmp_path) as handle:
        yield StatehouseSaver(handle)


@pytest.mark.parametrize("colour", ["awaiting", "blocking"])
@pytest.mark.parametrize("capability", Capability)
def test_the_capability_is_detected_and_passes(
    saver: StatehouseSaver, capability: Capability, colour: str
) -> None:
    seen = saver if colour == "awaiting" else Blocking(saver)
    result = conformance(seen, capability)
    # Not passed_all(), which is also true of what was skipped.
    assert result.failures == []
    assert (result.detected, result.passed, result.tests_skipped) == (True, True, 0)
    assert result.tests_passed > 0


def test_no_capability_is_missing() -> None:
    detected = DetectedCapabilities.from_instance(StatehouseSaver.__new__(StatehouseSaver))
    assert detected.missing == frozenset()


@pytest.mark.parametrize("name", ["get_delta_channel_history", "aget_delta_channel_history"])
def test_the_history_of_delta_channels_which_the_suite_does_not_ask_for_is_ours(name: str) -> None:
    assert getattr(StatehouseSaver, name) is not getattr(BaseCheckpointSaver, name)


def test_the_suite_does_fail_a_saver_that_lacks_something() -> None:
    assert conformance(InMemorySaver(), Capability.PRUNE).detected is False
