"""What proves that history was not altered.

The digest of an operation is SHA-256 over a random salt, the record's name, the content type and the
digests of the value's 64 KiB chunks. It stands in the event; the salt and the chunk digests stand beside
the value and go with it when it is erased, after which nobody can test a guess of the value against the
event. Each event carries the digest of the one before.

Chunks are numbered over the bytes of the value, so a value that shares its beginning with another shares
the digests of all whole chunks in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import Final

from statehouse.engine.layout import CHUNK_BYTES
from statehouse.protocol.requests import Commit, Copy, Delete, Extend, Write

_sizes: Final = Struct(">BII")
_u32: Final = Struct(">I")


def chunk_digests(data: bytes) -> tuple[bytes, ...]:
    """The digests of a value's chunks; an empty value has none."""
    if len(data) <= CHUNK_BYTES:
        return (sha256(data).digest(),) if data else ()
    view = memoryview(data)
    return tuple(sha256(view[at : at + CHUNK_BYTES]).digest() for at in range(0, len(data), CHUNK_BYTES))


def operation_digest(
    kind: int, salt: bytes, name: bytes, content_type: str, chunks: Iterable[bytes]
) -> bytes:
    """The digest of one operation, as events carry it."""
    spelled = content_type.encode()
    return sha256(
        b"".join((salt, _sizes.pack(kind, len(name), len(spelled)), name, spelled, *chunks))
    ).digest()


def event_digest(row: bytes) -> bytes:
    """The digest of an event, over its row as it stands on disk."""
    return sha256(row).digest()


def fingerprint(
    commit: Commit,
    names: Iterable[bytes],
    chunks: Iterable[tuple[bytes, ...]],
    conditions: Iterable[bytes],
) -> bytes:
    """SHA-256 of the operations and preconditions: what must be the same for a repeated txn_id (G5).

    Args:
        commit: The transaction.
        names: The key in `names` of each operation.
        chunks: The chunk digests of each write; empty for the others.
        conditions: The key in `names` of each precondition.
    """
    parts: list[bytes] = []
    for operation, name, digests in zip(commit.operations, names, chunks, strict=True):
        match operation:
            case Write(payload=payload):
                parts += (b"w", _framed(name), _framed(payload.content_type.encode()), *digests)
                parts.append(_u32.pack(len(payload.data)))
            case Delete():
                parts += (b"d", _framed(name))
            case Extend():
                parts += (b"e", _framed(name), _extension(operation))
    for precondition, name in zip(commit.preconditions, conditions, strict=True):
        parts += (b"p", _framed(name), f"{precondition.version}:{precondition.commit_ts};".encode())
    return sha256(b"".join(parts)).digest()


def _framed(data: bytes) -> bytes:
    return _u32.pack(len(data)) + data


def _extension(operation: Extend) -> bytes:
    parts = [_framed(str(operation.base_key).encode()), str(operation.base_version).encode()]
    parts.append(_framed(operation.content_type.encode()))
    for part in operation.parts:
        if isinstance(part, Copy):
            parts.append(f"c{part.start}:{part.stop};".encode())
        else:
            parts.append(b"b" + _u32.pack(len(part)) + sha256(part).digest())
    return b"".join(parts)
