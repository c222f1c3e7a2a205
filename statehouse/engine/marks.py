"""The high-water mark: what the log must at least reach when it is opened again.

RocksDB opens a log that was emptied, cut or lost with data missing and says nothing. The mark stands in a
file of its own, in two slots written in turn, so that a torn write spoils at most one.

Invariants:

* M1. Under durability ``sync`` a mark is written after a group's flush and before its answer, so its
  commit_ts never exceeds what the disk was told to keep, and no acknowledged commit is above it (after a
  crash of the process; after a loss of power the newest second of marks may be missing).
* M2. Under durability ``none`` the mark names only what was synced when the store was opened; being found
  open means that newer commits may have been lost, which begins an epoch.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from struct import Struct
from typing import Final, Literal, NamedTuple

from statehouse.storage import Store

_MAGIC: Final = b"SHM1"
_body: Final = Struct(">4s16sQQQB")
_CHECKSUM_BYTES: Final = 8
_SYNC_EVERY_S: Final = 1.0

MarkState = Literal["clean", "sync", "none"]
_STATES: Final[tuple[MarkState, ...]] = ("clean", "sync", "none")


class Mark(NamedTuple):
    """What was durable. `state` is ``clean`` after a close, else the durability it was open with."""

    store_id: bytes
    epoch: int
    sequence: int
    commit_ts: int
    state: MarkState


def pack_mark(mark: Mark) -> bytes:
    """A slot's content."""
    body = _body.pack(
        _MAGIC, mark.store_id, mark.epoch, mark.sequence, mark.commit_ts, _STATES.index(mark.state)
    )
    return body + blake2b(body, digest_size=_CHECKSUM_BYTES).digest()


def unpack_mark(data: bytes) -> Mark | None:
    """The mark in a slot; None when the slot is empty or torn."""
    if len(data) != _body.size + _CHECKSUM_BYTES:
        return None
    body = data[: _body.size]
    if blake2b(body, digest_size=_CHECKSUM_BYTES).digest() != data[_body.size :]:
        return None
    magic, store_id, epoch, sequence, commit_ts, state = _body.unpack(body)
    if magic != _MAGIC or state >= len(_STATES):
        return None
    return Mark(store_id, epoch, sequence, commit_ts, _STATES[state])


def newest_mark(slots: tuple[bytes, bytes]) -> Mark | None:
    """The newest readable mark."""
    marks = [mark for mark in map(unpack_mark, slots) if mark is not None]
    return max(marks, key=lambda mark: mark.sequence, default=None)


class Marker:
    """Writes marks. Used by one thread at a time."""

    def __init__(self, store: Store, store_id: bytes, epoch: int, sequence: int, *, state: MarkState) -> None:
        self._store = store
        self._store_id = store_id
        self._epoch = epoch
        self._sequence = sequence
        self._state = state
        self._synced_at = 0.0

    def write(self, commit_ts: int, *, state: MarkState | None = None, sync: bool = False) -> None:
        """Writes the next mark; synced if asked, or when the last sync is a second ago."""
        now = time.monotonic()
        sync = sync or now - self._synced_at >= _SYNC_EVERY_S
        self._sequence += 1
        mark = Mark(self._store_id, self._epoch, self._sequence, commit_ts, state or self._state)
        self._store.write_mark(self._sequence % 2, pack_mark(mark), sync=sync)
        if sync:
            self._synced_at = now
