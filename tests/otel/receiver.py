"""A collector in this process: it takes OTLP over HTTP, and over gRPC, and keeps what it gets."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_S: Final = 30.0


def plain(value: AnyValue) -> Any:
    """An attribute's value as Python's."""
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


def facts(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {each.key: plain(each.value) for each in attributes}


class Receiver:
    """What a collector got.

    Attributes:
        endpoint: Where it listens, as ``OTEL_EXPORTER_OTLP_ENDPOINT`` names it.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self._traces: list[ExportTraceServiceRequest] = []
        self._metrics: list[ExportMetricsServiceRequest] = []
        self._came = threading.Condition()

    def take(self, path: str, data: bytes) -> bytes:
        """Keeps what was posted, and gives the answer."""
        answer: ExportTraceServiceResponse | ExportMetricsServiceResponse
        with self._came:
            if path == "/v1/traces":
                self._traces.append(ExportTraceServiceRequest.FromString(data))
                answer = ExportTraceServiceResponse()
            else:
                assert path == "/v1/metrics"
                self._metrics.append(ExportMetricsServiceRequest.FromString(data))
                answer = ExportMetricsServiceResponse()
            self._came.notify_all()
        return answer.SerializeToString()

    def Export(self, request: ExportTraceServiceRequest, _: Any) -> ExportTraceServiceResponse:  # noqa: N802 - gRPC's
        """Keeps what was sent over gRPC."""
        self.take("/v1/traces", request.SerializeToString())
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> dict[str, list[Span]]:
        """The spans that came, by the name of the service that made them."""
        found: dict[str, list[Span]] = {}
        for request in self._traces:
            for resource in request.resource_spans:
                name = facts(resource.resource.attributes)["service.name"]
                spans = [span for scope in resource.scope_spans for span in scope.spans]
                found.setdefault(name, []).extend(spans)
        return found

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last push, by name."""
        if not self._metrics:
            return {}
        return {
            metric.name: metric
            for resource in self._metrics[-1].resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def wait_for_spans(self, service: str, count: int) -> list[Span]:
        """Waits until so many spans of a service have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.spans.get(service, [])) >= count, WAIT_S), self.spans
            return self.spans[service]

    def wait_for_metrics(self) -> dict[str, Metric]:
        """Waits for a push."""
        with self._came:
            assert self._came.wait_for(lambda: bool(self._metrics), WAIT_S)
            return self.metrics


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A collector that takes OTLP over HTTP."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            answer = receiver.take(self.path, data)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def receiving_grpc() -> Iterator[Receiver]:
    """A collector that takes spans over gRPC."""
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    receiver.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
