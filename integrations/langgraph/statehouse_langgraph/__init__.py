"""LangGraph on Statehouse: its checkpointer, its store and its cache.

>>> from statehouse_langgraph import StatehouseSaver
>>> with StatehouseSaver.from_conn_string("memory:") as saver:
...     saver.get_tuple({"configurable": {"thread_id": "t-1"}}) is None
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statehouse_langgraph._version import __version__
from statehouse_langgraph.errors import (
    ConcurrentWriteError,
    ContentError,
    ItemChangedError,
    LeaseHeldError,
    LeaseLostError,
    ThreadChangedError,
)

if TYPE_CHECKING:
    from statehouse_langgraph.cache import StatehouseCache
    from statehouse_langgraph.saver.saver import StatehouseSaver
    from statehouse_langgraph.serde import AllowlistSerializer
    from statehouse_langgraph.store.store import StatehouseStore

__all__ = [
    "AllowlistSerializer",
    "ConcurrentWriteError",
    "ContentError",
    "ItemChangedError",
    "LeaseHeldError",
    "LeaseLostError",
    "StatehouseCache",
    "StatehouseSaver",
    "StatehouseStore",
    "ThreadChangedError",
    "__version__",
]

# Who uses one of them does not load what the others need.
_PLACES = {
    "AllowlistSerializer": "statehouse_langgraph.serde",
    "StatehouseCache": "statehouse_langgraph.cache",
    "StatehouseSaver": "statehouse_langgraph.saver.saver",
    "StatehouseStore": "statehouse_langgraph.store.store",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module  # noqa: PLC0415 - only for who asks

        globals()[name] = found = getattr(import_module(_PLACES[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
