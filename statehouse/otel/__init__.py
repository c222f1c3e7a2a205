"""For programs that use OpenTelemetry's SDK: the extra ``statehouse[otel]``.

`configure` sets an SDK up for programs that have none. `StepSpanProcessor` marks the spans that other
libraries make inside a step: model calls, tools. `families`, `prometheus` and `pushing` tell a daemon's
numbers.
"""

from __future__ import annotations

from statehouse.otel.configuring import Exporter, configure
from statehouse.otel.stamping import StepSpanProcessor

__all__ = ["Exporter", "StepSpanProcessor", "configure"]
