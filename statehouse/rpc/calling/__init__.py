"""In front of the wire: an engine that asks a daemon."""

from statehouse.rpc.calling.engine import RemoteEngine

__all__ = ["RemoteEngine"]
