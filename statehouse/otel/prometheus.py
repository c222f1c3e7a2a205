"""An endpoint that Prometheus scrapes: ``GET /metrics``, in its text form or in that of OpenMetrics.

One request is answered at a time, by one thread: whoever connects and says nothing is hung up on after a
while, and costs nobody more than that.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from itertools import accumulate
from socketserver import TCPServer
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from statehouse.otel.families import Collect, Family

_SILENCE_S: Final = 2.0


class _Families(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        for family in self._collect():
            yield _metric(family)


def _metric(family: Family) -> Metric:
    labels = list(family.points[0].labels) if family.points else []
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=labels)
        bounds = [*map(str, family.bounds), "+Inf"]
        for point in family.points:
            told = list(zip(bounds, accumulate(point.buckets), strict=True))
            histogram.add_metric(list(point.labels.values()), told, point.value)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    numbers = kind(family.name, family.help, labels=labels)
    for point in family.points:
        numbers.add_metric(list(point.labels.values()), point.value)
    return numbers


class _Quiet(WSGIRequestHandler):
    timeout = _SILENCE_S

    def log_message(self, *_: object) -> None:
        """Scrapes are no news."""


class _Server(WSGIServer):
    request_queue_size = 16

    def server_bind(self) -> None:
        """Binds, without asking a resolver what this machine is called."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """A scraper that hangs up is no news either."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class PrometheusEndpoint:
    """Answers scrapes from when it is made until it is closed.

    Args:
        host: Where to listen.
        port: The port; 0 for any that is free.
        collect: Gives the numbers.

    Attributes:
        port: The port.

    Raises:
        OSError: Nobody can listen there.
    """

    def __init__(self, host: str, port: int, collect: Collect) -> None:
        registry = CollectorRegistry()
        registry.register(_Families(collect))
        self._registry = registry
        server = _Server6 if ":" in host else _Server
        self._server = server((host, port), _Quiet)
        self._server.set_app(self._answer)
        self.port: Final = self._server.server_port
        self._thread = threading.Thread(target=self._serve, name="statehouse-metrics", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def _answer(self, environ: dict[str, str], start_response: object) -> Iterable[bytes]:
        assert callable(start_response)
        if environ.get("REQUEST_METHOD") != "GET" or environ.get("PATH_INFO") not in ("/metrics", "/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"GET /metrics\n"]
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        text = encode(self._registry)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(text)))])
        return [text]

    def close(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
