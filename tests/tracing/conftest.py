"""An OpenTelemetry SDK for one test, in the place of the program's."""

from __future__ import annotations

import opentelemetry.trace
import pytest

from tests.tracing.collected import Collected


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """What is made while the test runs. A program sets its SDK once; a test takes its own back."""
    collected = Collected()
    monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER", collected.provider)
    return collected
