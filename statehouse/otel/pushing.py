"""Numbers sent by OTLP, now and then, from a thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from statehouse._version import __version__
from statehouse.otel.families import Collect, Family, Point

_log: Final = logging.getLogger("statehouse.otel")

_INTERVAL_MS: Final = 60_000
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


class Pusher:
    """Sends the numbers at an interval, and once more in the end.

    Args:
        exporter: What sends them.
        collect: Gives them.
        resource: What is said about the program.
        interval_s: How often; None for what ``OTEL_METRIC_EXPORT_INTERVAL`` says, in milliseconds, or a
            minute.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        collect: Collect,
        resource: Resource,
        *,
        interval_s: float | None = None,
    ) -> None:
        self._exporter = exporter
        self._collect = collect
        self._resource = resource
        self._interval_s = _interval_s() if interval_s is None else interval_s
        self._began_ns = time.time_ns()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statehouse-pusher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sends the numbers as they are in the end, and frees everything."""
        self._closing.set()
        self._thread.join()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            self._push()
        self._push()

    def _push(self) -> None:
        try:
            self._exporter.export(self._data())
        except Exception:  # noqa: BLE001 - whoever monitors must not stop what is monitored
            _log.warning("the metrics could not be sent", exc_info=True)

    def _data(self) -> MetricsData:
        now_ns = time.time_ns()
        metrics = [self._metric(family, now_ns) for family in self._collect()]
        scope = ScopeMetrics(InstrumentationScope("statehouse", __version__), metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _metric(self, family: Family, now_ns: int) -> Metric:
        data: Gauge | Histogram | Sum
        if family.kind == "histogram":
            data = Histogram([self._histogram(family, point, now_ns) for point in family.points], _CUMULATIVE)
        else:
            numbers: Sequence[NumberDataPoint] = [
                NumberDataPoint(dict(point.labels), self._began_ns, now_ns, point.value)
                for point in family.points
            ]
            data = (
                Sum(numbers, _CUMULATIVE, is_monotonic=True) if family.kind == "counter" else Gauge(numbers)
            )
        # Dots are OpenTelemetry's way, and what is made of them for Prometheus are underscores again.
        return Metric(family.name.replace("_", ".", 1), family.help, family.unit, data)

    def _histogram(self, family: Family, point: Point, now_ns: int) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes=dict(point.labels),
            start_time_unix_nano=self._began_ns,
            time_unix_nano=now_ns,
            count=sum(point.buckets),
            sum=point.value,
            bucket_counts=list(point.buckets),
            explicit_bounds=list(family.bounds),
            min=point.low,
            max=point.high,
        )


def _interval_s() -> float:
    text = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    return (int(text) if text.isdecimal() and int(text) else _INTERVAL_MS) / 1000
