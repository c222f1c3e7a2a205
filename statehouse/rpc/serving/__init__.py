"""Behind the wire: the service around an engine."""

from statehouse.rpc.serving.server import Server, ServerOptions

__all__ = ["Server", "ServerOptions"]
