"""The first call over a connection, and the end of the last one."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from statehouse.errors import ConnectionError, EngineError
from statehouse.protocol.engine import Engine
from statehouse.protocol.requests import Health, Replay, Status, Version
from statehouse.rpc.calling import RemoteEngine
from statehouse.testing.daemon import serving
from tests.rpc.daemons import WAIT_S, eventually, free_target, serving_without_pipeline, within


class SecondFirst:
    """An engine that tells its version when it was asked for it twice."""

    def __init__(self, inner: Engine) -> None:
        self.submit = inner.submit
        self.close = inner.close
        self._inner = inner
        self._asked = 0
        self._twice = threading.Event()

    def execute(self, request: Any) -> Any:
        """Waits, if that is to be waited for."""
        if isinstance(request, Version):
            self._asked += 1
            if self._asked == 2:
                self._twice.set()
            if not self._twice.wait(WAIT_S):
                raise EngineError("it was asked once")
        return self._inner.execute(request)


def test_what_is_not_answered_soon_is_asked_again_beside_it(engine: Engine) -> None:
    """A connection that broke without gRPC's notice is found out by that, and a slow one is not given up."""
    with serving_without_pipeline(SecondFirst(engine)) as target, within(1):
        remote = RemoteEngine(target, connect_timeout=WAIT_S)
        assert remote.execute(Health()) == "ok"
        remote.close()


def calls() -> int:
    """How many calls of gRPC's there are in this process that could be waited for."""
    return sum(type(each).__name__ == "_MultiThreadedRendezvous" for each in gc.get_objects())


@pytest.fixture
def uncollected() -> Any:
    """No circle of objects is broken."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipeline", "unary"])
@pytest.mark.usefixtures("uncollected")
def test_nothing_of_a_connection_waits_for_the_garbage_collector(engine: Engine, pipelined: bool) -> None:
    """When a process ends it comes after the threads, and would wait for ever for a lock that one had."""
    before = calls()
    with serving(engine) as target:
        remote = RemoteEngine(target, pipelined=pipelined)
        following = remote.submit(Replay(from_ts=1, wait_s=WAIT_S))
        remote.execute(Status())
        remote.close()
        assert isinstance(following.exception(WAIT_S), EngineError)
        eventually(lambda: calls() == before)


@pytest.mark.usefixtures("uncollected")
def test_nor_does_anything_of_one_that_was_not_made() -> None:
    before = calls()
    remote = RemoteEngine(free_target(), connect_timeout=0.3)
    with pytest.raises(ConnectionError, match="no daemon answers"):
        remote.execute(Health())
    remote.close()
    eventually(lambda: calls() == before)
