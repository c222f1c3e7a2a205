"""What the integration raises besides Statehouse's own errors; all are `statehouse.StatehouseError`.

::

    StatehouseError
    ├── InvalidArgumentError (ValueError)     a config without a thread_id, a filter that makes no sense
    ├── ThreadChangedError                    a late write: what it continues was deleted or pruned meanwhile
    ├── ConcurrentWriteError                  another writer was there first (on_concurrent_write="error")
    ├── LeaseHeldError, LeaseLostError        another worker has the thread
    ├── ItemChangedError                      an item of the store has another version than was expected
    └── ContentError                          stored bytes that cannot be read as what they say they are
"""

from __future__ import annotations

from typing import ClassVar

from statehouse import PreconditionFailedError, Retry, StatehouseError


class ThreadChangedError(StatehouseError):
    """A write was refused: what it belongs to was deleted or pruned (``thread_id``, ``checkpoint_id``).

    The run that made it went on after somebody deleted its thread, or pruned the branch it is on. Nothing
    was stored. Begin a new run. Reading what a DeltaChannel holds at such a checkpoint raises it, too: the
    checkpoint went after it was read itself, and the channel was not empty.
    """

    code: ClassVar[str] = "langgraph_thread_changed"
    thread_id: str
    checkpoint_id: str


class ConcurrentWriteError(StatehouseError):
    """Another run wrote a checkpoint to the thread since this one read it (``thread_id``, ``checkpoint_ns``).

    Only with ``on_concurrent_write="error"``. Nothing was stored. Read the thread again and run again.
    """

    code: ClassVar[str] = "langgraph_concurrent_write"
    retry: ClassVar[Retry] = Retry.NEW_TRANSACTION
    thread_id: str
    checkpoint_ns: str


class LeaseHeldError(StatehouseError):
    """Another worker holds the lease of the thread (``thread_id``, ``holder``, ``expires_in`` seconds)."""

    code: ClassVar[str] = "langgraph_lease_held"
    retry: ClassVar[Retry] = Retry.NEW_TRANSACTION
    thread_id: str
    holder: str
    expires_in: float


class LeaseLostError(StatehouseError):
    """The lease under which this worker wrote is another's by now; nothing was stored (``thread_id``)."""

    code: ClassVar[str] = "langgraph_lease_lost"
    thread_id: str


class ItemChangedError(PreconditionFailedError):
    """An item has another version than ``expected_version`` (``namespace``, ``key``, ``version``).

    Nothing of the batch was stored. Read the item again, and put what follows from what it is now.
    """

    code: ClassVar[str] = "langgraph_item_changed"
    namespace: tuple[str, ...]
    key: str
    expected_version: int


class ContentError(StatehouseError):
    """Stored bytes are not what their ``content_type`` says, or of a kind that is never loaded."""

    code: ClassVar[str] = "langgraph_content"
    content_type: str
