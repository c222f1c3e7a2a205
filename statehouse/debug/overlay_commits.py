"""Commits to an overlay, as its layer takes them.

* C1. A precondition is looked at here, where both layers are, and handed on as one of the layer's own key: so
  nothing slips in between.
* C2. A commit that is repeated is the same request again (G5), whatever has been committed meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from statehouse.debug.overlay_pages import DELETED
from statehouse.errors import PreconditionFailedError
from statehouse.extend import (
    Commit,
    Copy,
    Delete,
    Extend,
    Get,
    GetAtVersion,
    KeyRange,
    Payload,
    Precondition,
    RecordKey,
    Write,
    WriteOperation,
)

if TYPE_CHECKING:
    from statehouse.debug.overlay import OverlayEngine

_REMEMBERED_MAX: Final = 1000


class Inward:
    """Turns commits to an overlay into commits to its layer; safe from any thread."""

    def __init__(self, engine: OverlayEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._made: OrderedDict[str, tuple[Commit, Commit]] = OrderedDict()

    def commit(self, request: Commit) -> Commit:
        """Gives a commit as the layer takes it.

        Raises:
            PreconditionFailedError: A precondition does not hold.
            NotFoundError, ErasedError: The base of an `Extend` is gone.
        """
        with self._lock:
            known = self._made.get(request.txn_id)
            # C2
            if known is not None and known[0].operations == request.operations:
                return known[1]
            made = self._make(request)
            self._made[request.txn_id] = request, made
            while len(self._made) > _REMEMBERED_MAX:
                self._made.popitem(last=False)
            return made

    def _make(self, request: Commit) -> Commit:
        engine, layer = self._engine, self._engine.layer
        read_ts = request.read_ts
        made = replace(
            request,
            operations=tuple([self._operation(each) for each in request.operations]),
            read_ts=None if read_ts is None else engine.inward_ts(max(read_ts, engine.at)),
            reads=tuple([layer.inward(each) for each in request.reads]),
            ranges=tuple([self._range(each) for each in request.ranges]),
            preconditions=tuple([self._precondition(each) for each in request.preconditions]),
        )
        # A memory of this process is a store of its own, and has heard of every id that it will ever be sent.
        return made if layer.is_shared else replace(made, store_id="", epoch=0, made_at_ts=0)

    def _range(self, span: KeyRange) -> KeyRange:
        first = self._engine.layer.inward(RecordKey(span.namespace, span.agent_id, ""))
        return replace(span, namespace=first.namespace, agent_id=first.agent_id)

    def _operation(self, operation: WriteOperation) -> WriteOperation:
        layer, key = self._engine.layer, operation.key
        if not layer.has(key.namespace):
            return operation
        match operation:
            case Write():
                return Write(layer.inward(key), operation.payload)
            case Delete():
                return Write(layer.inward(key), Payload(DELETED, b""))
            case Extend():
                return Write(layer.inward(key), Payload(operation.content_type, self._whole(operation)))

    def _whole(self, extend: Extend) -> bytes:
        entry = self._engine.execute(GetAtVersion(extend.base_key, extend.base_version)).entry
        base = b"" if entry.payload is None else entry.payload.data
        return b"".join(
            [base[part.start : part.stop] if isinstance(part, Copy) else part for part in extend.parts]
        )

    def _precondition(self, wanted: Precondition) -> Precondition:
        """C1."""
        engine, layer = self._engine, self._engine.layer
        if not layer.has(wanted.key.namespace):
            return wanted
        found = engine.execute(Get(wanted.key)).entry
        version, commit_ts = (found.version, found.commit_ts) if found.exists else (0, 0)
        if wanted.version not in (None, version) or wanted.commit_ts not in (None, commit_ts):
            raise PreconditionFailedError(
                f"{wanted.key} was expected at {wanted}, but is at version {version}, commit_ts {commit_ts}; "
                "nothing was applied",
                which=wanted,
                version=version,
                commit_ts=commit_ts,
            )
        own = layer.engine.execute(Get(layer.inward(wanted.key))).entry
        return Precondition(layer.inward(wanted.key), own.version if own.exists else 0)
