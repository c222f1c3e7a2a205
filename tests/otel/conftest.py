"""A process that has no SDK yet, for one test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import opentelemetry.trace
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._once import Once


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets the SDK that a test has set up, when it is over, and shuts it down."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    yield
    provider = opentelemetry.trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
