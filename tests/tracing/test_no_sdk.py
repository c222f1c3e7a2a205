"""Without OpenTelemetry in the program, Statehouse does not load it, and makes nothing of it."""

from __future__ import annotations

import subprocess
import sys

import opentelemetry.trace

from statehouse import Statehouse, current_origin
from statehouse.protocol.requests import Status
from statehouse.tracing import TracedEngine
from statehouse.tracing.api import tracer_provider

PROGRAM = """
import sys
from statehouse import Statehouse
with Statehouse("memory:") as sh:
    sh.write("k", 1, agent_id="a")
    assert sh.get_state("k", agent_id="a").value == 1
    assert next(iter(sh.replay())).origin.trace_id == ""
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_a_program_without_opentelemetry_does_not_get_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_the_api_alone_makes_nothing() -> None:
    assert isinstance(opentelemetry.trace.get_tracer_provider(), opentelemetry.trace.ProxyTracerProvider)
    assert tracer_provider() is None
    with Statehouse("memory:") as sh:
        sh.write("k", 1, agent_id="a")
        [event] = sh.replay()
    assert not event.origin
    assert not current_origin()


def test_a_traced_engine_is_an_engine() -> None:
    with Statehouse("memory:") as sh:
        engine = sh.connection.engine
        assert isinstance(engine, TracedEngine)
        assert engine.submit(Status()).result() == engine.execute(Status())


def test_the_api_keeps_its_provider_where_we_look() -> None:
    """Where a later version keeps it elsewhere, all works, but a commit without an SDK costs more."""
    assert opentelemetry.trace._TRACER_PROVIDER is None
