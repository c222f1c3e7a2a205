"""What is sent by OTLP, as the collector gets it."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource

from statehouse.otel.families import Family
from statehouse.otel.pushing import Pusher
from tests.otel.receiver import facts, receiving
from tests.otel.test_prometheus import collect

HOUR = 3600.0


def test_what_there_is_in_the_end_is_sent() -> None:
    with receiving() as receiver:
        exporter = OTLPMetricExporter(endpoint=f"{receiver.endpoint}/v1/metrics")
        Pusher(exporter, collect, Resource({"service.name": "t"}), interval_s=HOUR).close()
        found = receiver.wait_for_metrics()
    things, queue, seconds = found["x.things"], found["x.queue"], found["x.seconds"]
    assert things.sum.is_monotonic
    assert things.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    assert {facts(point.attributes)["kind"]: point.as_int for point in things.sum.data_points} == {
        "a": 3,
        'quoted "b"': 4,
    }
    assert [point.as_int for point in queue.gauge.data_points] == [2]
    [point] = seconds.histogram.data_points
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 2, 3], [0.1, 1.0])
    assert (point.count, point.sum, seconds.unit) == (6, 7.5, "s")


def test_it_is_sent_at_the_interval_that_a_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
    with receiving() as receiver:
        exporter = OTLPMetricExporter(endpoint=f"{receiver.endpoint}/v1/metrics")
        pusher = Pusher(exporter, collect, Resource({"service.name": "t"}))
        assert receiver.wait_for_metrics()
        pusher.close()


class Failing(MetricExporter):
    """A collector that is never there."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def export(self, *_: object, **__: object) -> MetricExportResult:
        self.asked += 1
        raise OSError("nobody is there")

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: object) -> None:
        """Nothing is open."""


def test_a_collector_that_is_not_there_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Failing()
    Pusher(exporter, collect, Resource({}), interval_s=HOUR).close()
    assert exporter.asked == 1
    assert "the metrics could not be sent" in caplog.text


def test_a_family_without_points_is_sent_as_nothing() -> None:
    with receiving() as receiver:
        exporter = OTLPMetricExporter(endpoint=f"{receiver.endpoint}/v1/metrics")
        empty = [Family("x_nothing", "", "counter", [])]
        Pusher(exporter, lambda: empty, Resource({"service.name": "t"}), interval_s=HOUR).close()
        assert not receiver.wait_for_metrics()["x.nothing"].sum.data_points
