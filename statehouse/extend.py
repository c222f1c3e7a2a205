"""For adapters and frameworks: what `Statehouse` itself is built from. Public and stable.

* **Requests** (`Get`, `Scan`, `Commit` …) are values, and each names its reply.
* **Flows** are logic without I/O: generators that yield requests and are sent replies. Write one, `run` it
  from blocking code or `run_async` it from asyncio, over the same handle.
* **`commit`** gives a flow that commits operations which are made already; **`erase`** one that erases.
* **Codecs** show and decode content types of your own; data is tagged, never pickled.
* **Growing values**: `grow` finds what a value shares with an earlier one; `Extend` stores only the rest.

Example:
    >>> from statehouse import Statehouse
    >>> from statehouse.extend import Flow, Get, RecordKey, ask, run
    >>> def versions(*keys: str) -> Flow[dict[str, int]]:
    ...     found = {}
    ...     for key in keys:
    ...         read = yield from ask(Get(RecordKey("default", "planner", key)))
    ...         found[key] = read.entry.version
    ...     return found
    >>> with Statehouse("memory:") as sh:
    ...     _ = sh.write("plan", ["tea"], agent_id="planner")
    ...     run(sh, versions("plan", "seen"))
    {'plan': 1, 'seen': 0}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statehouse.client.blocking import run
from statehouse.client.committing import commit
from statehouse.client.connection import Connected, Connection
from statehouse.client.erasing import erase
from statehouse.client.growing import Part, grow
from statehouse.client.transactions import TransactionLogic, TransactionState
from statehouse.protocol.codecs import ENTRY_POINT_GROUP, Codec, Overview, codec_for, register_codec
from statehouse.protocol.engine import Engine, Flow, ask
from statehouse.protocol.limits import DEFAULT_LIMITS, Limits
from statehouse.protocol.names import RecordKey, check_text
from statehouse.protocol.origin import NO_ORIGIN, Origin
from statehouse.protocol.replies import (
    AgentPage,
    CheckPage,
    Committed,
    EngineVersion,
    Entry,
    Erased,
    EventPage,
    Located,
    NamespacePage,
    Page,
    Read,
    StoreStatus,
    TxnOutcome,
)
from statehouse.protocol.requests import (
    Check,
    Commit,
    Copy,
    Delete,
    Erase,
    Extend,
    FindEvents,
    Get,
    GetAtVersion,
    GetMany,
    Health,
    History,
    KeyRange,
    ListAgents,
    ListNamespaces,
    LocateTime,
    LookupTxn,
    Precondition,
    Replay,
    Request,
    Scan,
    Status,
    Version,
    Write,
    WriteOperation,
)
from statehouse.protocol.values import BYTES, JSON, Payload, decode, encode
from statehouse.tracing.origin import current_origin, use_origin

__all__ = [
    "BYTES",
    "DEFAULT_LIMITS",
    "ENTRY_POINT_GROUP",
    "JSON",
    "NO_ORIGIN",
    "AgentPage",
    "Check",
    "CheckPage",
    "Codec",
    "Commit",
    "Committed",
    "Connected",
    "Connection",
    "Copy",
    "Delete",
    "Engine",
    "EngineVersion",
    "Entry",
    "Erase",
    "Erased",
    "EventPage",
    "Extend",
    "FindEvents",
    "Flow",
    "Get",
    "GetAtVersion",
    "GetMany",
    "Health",
    "History",
    "KeyRange",
    "Limits",
    "ListAgents",
    "ListNamespaces",
    "LocateTime",
    "Located",
    "LookupTxn",
    "NamespacePage",
    "Origin",
    "Overview",
    "Page",
    "Part",
    "Payload",
    "Precondition",
    "Read",
    "RecordKey",
    "Replay",
    "Request",
    "Scan",
    "Status",
    "StoreStatus",
    "TransactionLogic",
    "TransactionState",
    "TxnOutcome",
    "Version",
    "Write",
    "WriteOperation",
    "ask",
    "check_text",
    "codec_for",
    "commit",
    "current_origin",
    "decode",
    "encode",
    "erase",
    "grow",
    "register_codec",
    "run",
    "run_async",
    "use_origin",
]

if TYPE_CHECKING:
    from statehouse.client.awaiting import run as run_async


def __getattr__(name: str) -> Any:
    # Programs that never await need no asyncio.
    if name == "run_async":
        from statehouse.client.awaiting import run as run_async  # noqa: PLC0415 - the point of this function

        globals()[name] = run_async
        return run_async
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
