"""JSON of a run that is too large for a record: stored once, by its hash, and only for what is new in it.

A *slot* is what a record holds of a value: ``{"json": …}``, or ``{"ref": hash, "bytes": size}`` above 8 KiB.
What is referred to is the key ``value/<hash>`` of the run. A model call that gets the whole conversation each
time then costs a reference, and the conversation's new turn: each value is written as an `Extend` of the one
before.

* V1. A value is written in the commit of the step that refers to it, so no record refers to nothing.
* V2. A key holds one content for ever, the one with its hash; so writing it again is harmless, and its first
  version is as good a base as any.
* V3. What is remembered is bounded: hashes by their number, values by their number and size.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final

from statehouse.client.records import Record
from statehouse.errors import NotFoundError
from statehouse.extend import JSON, Flow, Get, Payload, Read, RecordKey, TransactionLogic, decode, encode
from statehouse.steps import keys

INLINE_BYTES_MAX: Final = 8 * 1024
_INLINE_DEPTH_MAX: Final = 24
_HASHES_MAX: Final = 10_000
_BASES_MAX: Final = 4
_BASE_BYTES_MAX: Final = 16 * 1024 * 1024
_SHARED_BYTES_MIN: Final = 1024

Slot = dict[str, Any]


def content_hash(data: bytes) -> str:
    """Gives 128 bits of SHA-256, hexadecimal."""
    return sha256(data).hexdigest()[:32]


class SharedValues:
    """What a run has stored beside its records; safe from any thread.

    Args:
        namespace: The namespace of its records.
        run_id: The run.
    """

    def __init__(self, namespace: str, run_id: str) -> None:
        self._namespace = namespace
        self._run_id = run_id
        self._lock = threading.Lock()
        self._stored: OrderedDict[str, None] = OrderedDict()
        self._bases: OrderedDict[str, Payload] = OrderedDict()

    def stage(self, logic: TransactionLogic, payload: Payload, value: Any) -> Slot:
        """Gives the slot of a value; a large one that is not stored yet is written by the transaction (V1).

        Args:
            logic: The transaction that commits the record.
            payload: The value as JSON bytes.
            value: The value, as JSON.

        Raises:
            LimitExceededError: The transaction would be too large.
        """
        if len(payload.data) <= INLINE_BYTES_MAX and _is_shallow(payload.data, value):
            return {"json": value}
        found = content_hash(payload.data)
        with self._lock:
            stored = found in self._stored
            base = None if stored else self._base_for(payload.data)
        if not stored:
            logic.write(
                keys.VALUE + found,
                payload,
                agent_id=self._run_id,
                namespace=self._namespace,
                if_version=None,
                if_commit_ts=None,
                extends=base,
            )
        return {"ref": found, "bytes": len(payload.data)}

    def committed(self, slots: list[tuple[Slot, Payload]]) -> None:
        """Takes in that the transaction of these slots was applied."""
        for slot, payload in slots:
            if "ref" in slot:
                self._remember(slot["ref"], payload)

    def read(self, slot: Slot) -> Flow[Any]:
        """Gives the value of a slot.

        Raises (in the flow):
            NotFoundError: It is not there; its record should not be either.
            ErasedError: It was erased.
        """
        if "ref" not in slot:
            return slot.get("json")
        found = slot["ref"]
        with self._lock:
            payload = self._bases.get(found)
        if payload is None:
            name = RecordKey(self._namespace, self._run_id, keys.VALUE + found)
            reply: Read = yield Get(name)
            payload = reply.entry.payload
            if payload is None:
                raise NotFoundError(f"{name} is gone, which a record of the run refers to", key=name)
            self._remember(found, payload)
        return decode(payload)

    def _remember(self, found: str, payload: Payload) -> None:
        # V3
        with self._lock:
            self._stored[found] = None
            self._stored.move_to_end(found)
            while len(self._stored) > _HASHES_MAX:
                self._stored.popitem(last=False)
            self._bases[found] = payload
            self._bases.move_to_end(found)
            while len(self._bases) > _BASES_MAX or (
                len(self._bases) > 1
                and sum(len(each.data) for each in self._bases.values()) > _BASE_BYTES_MAX
            ):
                self._bases.popitem(last=False)

    def _base_for(self, data: bytes) -> Record | None:
        """The remembered value that a new one shares the longest beginning with."""
        best, shared = None, 0
        for found, payload in reversed(self._bases.items()):
            if (length := _common_beginning(payload.data, data)) > shared:
                best, shared = (found, payload), length
        if best is None:
            return None
        found, payload = best
        # V2
        return Record(self._namespace, self._run_id, keys.VALUE + found, None, 1, 1, payload)


def _is_shallow(data: bytes, value: Any) -> bool:
    """Whether a value may lie inside a record, which has levels of its own."""
    if data.count(b"[") + data.count(b"{") <= _INLINE_DEPTH_MAX:
        return True
    return _depth(value) <= _INLINE_DEPTH_MAX


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _common_beginning(old: bytes, new: bytes) -> int:
    """About how much two values share at their beginning: within a factor of two is enough to choose."""
    length = min(len(old), len(new))
    while length >= _SHARED_BYTES_MIN:
        if old[:length] == new[:length]:
            return length
        length //= 2
    return 0


def json_payload(value: Any) -> Payload:
    """Gives JSON as bytes.

    Raises:
        InvalidArgumentError: It is not JSON after all: NaN, lone surrogates.
        LimitExceededError: Nested deeper than 32, or larger than 16 MiB.
    """
    payload = encode(value)
    assert payload.content_type == JSON, "what was made JSON is encoded as JSON"
    return payload
