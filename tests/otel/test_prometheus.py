"""What Prometheus scrapes, parsed by its own client."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from statehouse.otel.families import Family, Point
from statehouse.otel.prometheus import PrometheusEndpoint

FAMILIES = [
    Family("x_things", "Things.", "counter", [Point(3, {"kind": "a"}), Point(4, {"kind": 'quoted "b"'})]),
    Family("x_queue", "What waits.", "gauge", [Point(2)]),
    Family("x_seconds", "How long.", "histogram", [Point(7.5, {"rpc": "Get"}, (1, 2, 3))], "s", (0.1, 1.0)),
    Family("x_nothing", "Never happened.", "histogram", [], "s", (0.1, 1.0)),
]


def collect() -> Sequence[Family]:
    return FAMILIES


@pytest.fixture
def endpoint() -> Iterator[PrometheusEndpoint]:
    made = PrometheusEndpoint("127.0.0.1", 0, collect)
    yield made
    made.close()


def get(endpoint: PrometheusEndpoint, path: str = "/metrics", accept: str = "*/*") -> tuple[str, str]:
    """The body and its type."""
    asked = urllib.request.Request(f"http://127.0.0.1:{endpoint.port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def test_the_text_form_says_everything(endpoint: PrometheusEndpoint) -> None:
    text, kind = get(endpoint)
    assert kind.startswith("text/plain")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parsed(text)
        for sample in family.samples
    }
    assert samples == {
        ("x_things_total", "a"): 3.0,
        ("x_things_total", 'quoted "b"'): 4.0,
        ("x_queue",): 2.0,
        ("x_seconds_bucket", "0.1", "Get"): 1.0,
        ("x_seconds_bucket", "1.0", "Get"): 3.0,
        ("x_seconds_bucket", "+Inf", "Get"): 6.0,
        ("x_seconds_count", "Get"): 6.0,
        ("x_seconds_sum", "Get"): 7.5,
    }


def test_who_asks_for_openmetrics_gets_it(endpoint: PrometheusEndpoint) -> None:
    text, kind = get(endpoint, accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = parsed_openmetrics(text)  # type: ignore[no-untyped-call]
    assert {family.name: family.type for family in families} == {
        "x_things": "counter",
        "x_queue": "gauge",
        "x_seconds": "histogram",
        "x_nothing": "histogram",
    }


def test_other_paths_are_not_there(endpoint: PrometheusEndpoint) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(endpoint, "/elsewhere")
    assert refused.value.code == 404
    refused.value.close()


@pytest.mark.slow
def test_who_says_nothing_keeps_nobody_waiting_for_long(endpoint: PrometheusEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port)):
        assert "x_queue" in get(endpoint)[0]


def test_a_port_in_use_is_an_error(endpoint: PrometheusEndpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        PrometheusEndpoint("127.0.0.1", other.getsockname()[1], collect)


def test_an_address_of_ipv6_is_listened_on() -> None:
    try:
        endpoint = PrometheusEndpoint("::1", 0, collect)
    except OSError:
        # A machine without it.
        return
    endpoint.close()
