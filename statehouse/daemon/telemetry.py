"""The spans and metrics of a daemon: what is put around its engine and its store, and who is told.

What this needs of OpenTelemetry's SDK and of Prometheus's client is the extra ``statehouse[otel]``; a daemon
without telemetry loads none of it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from statehouse.daemon.settings import Settings
from statehouse.programs.exits import Exit, Refusal
from statehouse.protocol.requests import Status
from statehouse.rpc.addresses import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from statehouse.otel.families import Family
    from statehouse.protocol.engine import Engine
    from statehouse.rpc.serving.meter import Meter
    from statehouse.rpc.serving.server import Server
    from statehouse.storage import Store
    from statehouse.storage.counting import CountingStore

__all__ = ["Telemetry", "require_installed"]

_log = logging.getLogger("statehouse.daemon")

_CLOSE_S: Final = 5.0
_NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp", "prometheus_client")
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def require_installed(settings: Settings) -> None:
    """Returns when what the settings need is installed.

    Raises:
        Refusal: It is not.
    """
    if not settings.metered:
        return
    for name in _NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            asked = "--telemetry" if settings.telemetry != "off" else "--metrics-listen"
            raise Refusal(
                f"{asked} needs {name.partition('.')[0]}, which is not installed: it comes with the extra "
                "statehouse[otel]",
                Exit.USAGE,
            )


class Telemetry:
    """What one daemon tells.

    Args:
        settings: Whom it tells.

    Attributes:
        meter: What the server counts in; None if nobody is told.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ends = contextlib.ExitStack()
        self._store: CountingStore | None = None
        self.meter: Meter | None = None
        if settings.metered:
            from statehouse.rpc.serving.meter import Meter

            self.meter = Meter()
        elif any(os.environ.get(name) for name in _ENDPOINTS):
            _log.info(
                "spans and metrics stay here: --telemetry otlp sends them where OTEL_EXPORTER_OTLP_* says"
            )

    def counted(self, store: Store) -> Store:
        """Gives a store that counts what is written to it, if anybody is told."""
        if self.meter is None:
            return store
        from statehouse.storage.counting import CountingStore

        self._store = CountingStore(store)
        return self._store

    def around(self, engine: Engine) -> Engine:
        """Gives the engine that a server is to be put around."""
        if self.meter is None:
            return engine
        from statehouse.rpc.serving.meter import MeteredEngine

        metered = MeteredEngine(engine, self.meter)
        if self._settings.telemetry == "off":
            return metered
        from statehouse.otel import configure
        from statehouse.rpc.serving.spans import answering

        # stdout has the ready line and nothing else.
        provider = configure(self._settings.telemetry, service_name="statehoused", out=sys.stderr)
        # When the process exits it would be waited for once more, for longer than anybody waits for a daemon.
        atexit.unregister(provider.shutdown)
        self._ends.callback(provider.shutdown)
        return answering(metered, provider)

    def begin(self, server: Server, engine: Engine) -> None:
        """Tells from now on.

        Raises:
            OSError: Nobody can listen where Prometheus was to scrape.
        """
        meter, store = self.meter, self._store
        if meter is None or store is None:
            return
        from statehouse.daemon.measures import families

        def collect() -> Sequence[Family]:
            return families(meter, engine.execute(Status()), server.load(), store.bytes_written)

        settings = self._settings
        if settings.telemetry != "off":
            from statehouse.otel.configuring import console_metrics, otlp_metrics, resource
            from statehouse.otel.pushing import Pusher

            exporter = otlp_metrics() if settings.telemetry == "otlp" else console_metrics(sys.stderr)
            self._ends.callback(Pusher(exporter, collect, resource("statehoused")).close)
        if settings.metrics_listen is not None:
            from statehouse.otel.prometheus import PrometheusEndpoint

            host = resolve(settings.metrics_listen)[0]
            endpoint = PrometheusEndpoint(host, settings.metrics_listen.port, collect)
            self._ends.callback(endpoint.close)
            where = f"[{host}]" if ":" in host else host
            _log.info("metrics", extra={"on": f"http://{where}:{endpoint.port}/metrics"})

    def close(self) -> None:
        """Tells what is left to tell, and ends it: for as long as that may take, and no longer."""
        closing = threading.Thread(target=self._ends.close, name="statehouse-telemetry", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        if closing.is_alive():
            _log.warning("not all spans and metrics could be sent", extra={"within_s": _CLOSE_S})
