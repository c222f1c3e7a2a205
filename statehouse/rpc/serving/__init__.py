"""Behind the wire: the service around an engine."""

from statehouse.rpc.serving.server import DEFAULT_OPTIONS, Server, ServerOptions

__all__ = ["DEFAULT_OPTIONS", "Server", "ServerOptions"]
