"""A daemon for tests: the server of `statehoused` around an engine, in a thread of the test's process.

It listens within milliseconds, on a port of its own::

    with serving(engine) as address, Statehouse(address) as sh:
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from statehouse.protocol.engine import Engine
from statehouse.rpc.serving import DEFAULT_OPTIONS, Server, ServerOptions
from statehouse.testing.blocking import BackgroundLoop

__all__ = ["serving"]


@contextmanager
def serving(
    engine: Engine,
    options: ServerOptions = DEFAULT_OPTIONS,
    listen: str = "127.0.0.1:0",
    *,
    grace_s: float = 5.0,
) -> Iterator[str]:
    """Serves an engine while the block runs, and gives its address, ``host:port`` or ``unix:/path``.

    Args:
        engine: What answers; it stays open.
        options: How much is taken on.
        listen: Where to listen; port 0 is any that is free.
        grace_s: How long calls that are running at the end of the block may take to finish, in seconds.

    Raises:
        InvalidArgumentError: Nobody can listen there.
    """
    with BackgroundLoop() as background:
        server = Server(engine, options)
        (address,) = background.call(server.start((listen,)))
        try:
            yield address
        finally:
            background.call(server.drain(grace_s))
