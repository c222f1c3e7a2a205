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
from statehouse.protocol.requests import Copy, Delete, Extend, Precondition, Write

_sizes: Final = Struct(">BII")
_mark: Final = Struct(">BIII")
_MARK_WRITE, _MARK_DELETE, _MARK_EXTEND, _MARK_CONDITION = range(4)


def chunk_digests(data: bytes) -> tuple[bytes, ...]:
    """The digests of a value's chunks; an empty value has none."""
    if len(data) <= CHUNK_BYTES:
        return (sha256(data).digest(),) if data else ()
    view = memoryview(data)
    return tuple(sha256(view[at : at + CHUNK_BYTES]).digest() for at in range(0, len(data), CHUNK_BYTES))


def operation_proof(kind: int, name: bytes, content_type: str, chunks: Iterable[bytes]) -> bytes:
    """What the digest of an operation covers besides its salt."""
    spelled = content_type.encode()
    return b"".join((_sizes.pack(kind, len(name), len(spelled)), name, spelled, *chunks))


def operation_digest(salt: bytes, proof: bytes) -> bytes:
    """The digest of one operation, as events carry it."""
    return sha256(salt + proof).digest()


def event_digest(row: bytes) -> bytes:
    """The digest of an event, over its row as it stands on disk."""
    return sha256(row).digest()


def operation_mark(
    operation: Write | Delete | Extend, name: bytes, chunks: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """What must be the same of an operation when its txn_id is repeated (G5); `chunks` are a write's."""
    match operation:
        case Write(payload=payload):
            spelled = payload.content_type.encode()
            sizes = _mark.pack(_MARK_WRITE, len(name), len(spelled), len(payload.data))
            return sizes, name, spelled, *chunks
        case Delete():
            return _mark.pack(_MARK_DELETE, len(name), 0, 0), name
        case Extend():
            extension = _extension(operation)
            return _mark.pack(_MARK_EXTEND, len(name), 0, len(extension)), name, extension


def condition_mark(precondition: Precondition, name: bytes) -> tuple[bytes, ...]:
    """As `operation_mark`, of a precondition."""
    expected = f"{precondition.version}:{precondition.commit_ts}".encode()
    return _mark.pack(_MARK_CONDITION, len(name), 0, len(expected)), name, expected


def fingerprint(marks: Iterable[bytes]) -> bytes:
    """SHA-256 of the marks of all operations and preconditions."""
    return sha256(b"".join(marks)).digest()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def _extension(operation: Extend) -> bytes:
    parts = [_framed(str(operation.base_key).encode()), str(operation.base_version).encode()]
    parts.append(_framed(operation.content_type.encode()))
    for part in operation.parts:
        if isinstance(part, Copy):
            parts.append(f"c{part.start}:{part.stop};".encode())
        else:
            parts.append(b"b" + len(part).to_bytes(4) + sha256(part).digest())
    return b"".join(parts)
