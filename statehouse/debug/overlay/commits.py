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

from statehouse.debug.overlay.pages import DELETED
from statehouse.errors import PreconditionFailedError, Retry, StatehouseError
from statehouse.extend import (
    Commit,
    Committed,
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
    from statehouse.debug.overlay.engine import OverlayEngine

_REMEMBERED_MAX: Final = 1000
_NEVER: Final = 2**52
"""A version that no key ever has."""


class Inward:
    """Turns commits to an overlay into commits to its layer; safe from any thread."""

    def __init__(self, engine: OverlayEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._made: OrderedDict[str, tuple[Commit, Commit]] = OrderedDict()

    def commit(self, request: Commit) -> Committed:
        """Commits to the layer, and gives what that answers.

        Raises:
            StatehouseError: As a commit does.
        """
        with self._lock:
            known = self._made.get(request.txn_id)
            # C2
            if known is not None and _is_again(known[0], request):
                made, refusal = known[1], None
            else:
                made, refusal = self._make(request, is_new=known is None)
            if known is None:
                self._made[request.txn_id] = request, made
            while len(self._made) > _REMEMBERED_MAX:
                self._made.popitem(last=False)
        try:
            reply: Committed = self._engine.layer.engine.execute(made)
        except StatehouseError as error:
            if known is None and error.retry is not Retry.SAME:
                # Nothing was applied under this id.
                with self._lock:
                    self._made.pop(request.txn_id, None)
            if refusal is not None and isinstance(error, PreconditionFailedError):
                raise refusal from None
            raise
        return reply

    def _make(self, request: Commit, *, is_new: bool) -> tuple[Commit, PreconditionFailedError | None]:
        engine, layer = self._engine, self._engine.layer
        read_ts = request.read_ts
        preconditions, refusal = [], None
        # An id that was used for something else is what is wrong with a request, whatever it expects.
        for wanted in request.preconditions if is_new else ():
            inward, failed = self._precondition(wanted)
            preconditions.append(inward)
            refusal = refusal or failed
        made = replace(
            request,
            operations=tuple([self._operation(each) for each in request.operations]),
            read_ts=None if read_ts is None else engine.inward_ts(max(read_ts, engine.at)),
            reads=tuple([layer.inward(each) for each in request.reads]),
            ranges=tuple([self._range(each) for each in request.ranges]),
            preconditions=tuple(preconditions),
        )
        # A memory of this process is a store of its own, and has heard of every id that it will ever be sent.
        return (made if layer.is_shared else replace(made, store_id="", epoch=0, made_at_ts=0)), refusal

    def _range(self, span: KeyRange) -> KeyRange:
        first = self._engine.layer.inward(RecordKey(span.namespace, span.agent_id, ""))
        # A delete changes which keys there are, and is a write to the layer.
        return replace(span, namespace=first.namespace, agent_id=first.agent_id, keys_only=False)

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
        entry = self._engine.look(GetAtVersion(extend.base_key, extend.base_version)).entry
        base = b"" if entry.payload is None else entry.payload.data
        return b"".join(
            [base[part.start : part.stop] if isinstance(part, Copy) else part for part in extend.parts]
        )

    def _precondition(self, wanted: Precondition) -> tuple[Precondition, PreconditionFailedError | None]:
        """C1. One that does not hold is handed on as one that cannot: whatever else is wrong comes first."""
        engine, layer = self._engine, self._engine.layer
        if not layer.has(wanted.key.namespace):
            return wanted, None
        own = layer.engine.execute(Get(layer.inward(wanted.key))).entry
        found = engine.look(Get(wanted.key)).entry
        version, commit_ts = (found.version, found.commit_ts) if found.exists else (0, 0)
        if wanted.version in (None, version) and wanted.commit_ts in (None, commit_ts):
            return Precondition(layer.inward(wanted.key), own.version if own.exists else 0), None
        refusal = PreconditionFailedError(
            f"{wanted.key} was expected at {wanted}, but is at version {version}, commit_ts {commit_ts}; "
            "nothing was applied",
            which=wanted,
            version=version,
            commit_ts=commit_ts,
        )
        return Precondition(layer.inward(wanted.key), _NEVER), refusal


def _is_again(before: Commit, request: Commit) -> bool:
    return (before.operations, before.preconditions) == (request.operations, request.preconditions)
