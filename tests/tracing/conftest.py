"""An OpenTelemetry SDK for one test, in the place of the program's."""

from __future__ import annotations

import pytest

from tests.tracing.collected import Collected, collecting


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """The spans that are made while the test runs."""
    return collecting(monkeypatch)
