"""What the tests of the daemon share: a clean environment, and daemons in processes of their own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests configures a daemon."""
    for name in os.environ:
        if name.startswith("STATEHOUSE_") or name in ("NO_COLOR", "NOTIFY_SOCKET"):
            monkeypatch.delenv(name)
