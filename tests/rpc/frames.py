"""Frames of HTTP/2 by hand (RFC 9113), for peers that do not keep to it."""

from __future__ import annotations

import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 1
END_HEADERS: Final = 4


def frame(
    kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None
) -> bytes:
    """A frame; its length may be a lie."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(name: bytes, value: bytes) -> bytes:
    """A header that nobody is to remember."""
    assert max(len(name), len(value)) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def asked(path: bytes = b"/statehouse.v1.StatehouseService/GetState") -> bytes:
    """The headers of a call."""
    return b"".join(
        (
            b"\x83\x86",  # POST, http
            text(b":path", path),
            text(b":authority", b"localhost"),
            text(b"te", b"trailers"),
            text(b"content-type", b"application/grpc"),
        )
    )


def call(stream: int, *, flags: int = END_HEADERS) -> bytes:
    """Begins a call."""
    return frame(HEADERS, asked(), flags=flags, stream=stream)
