"""What the tests of the daemon share: a clean environment, and daemons in processes of their own."""

from __future__ import annotations

import os

import pytest

from tests.tracing.collected import Collected, collecting


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests configures a daemon."""
    for name in os.environ:
        if name.startswith(("STATEHOUSE_", "OTEL_")) or name in ("NO_COLOR", "NOTIFY_SOCKET"):
            monkeypatch.delenv(name)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Collected:
    """The spans that this process makes, as a client."""
    return collecting(monkeypatch)
