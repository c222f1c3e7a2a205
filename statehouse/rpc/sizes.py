"""How much may travel at once, in bytes, items and seconds; both ends keep to it."""

from __future__ import annotations

from typing import Final

from statehouse.protocol.limits import KIB, MIB

MESSAGE_BYTES_MAX: Final = 36 * MIB
"""A gRPC message: a transaction of 32 MiB, and what it takes to say it."""

METADATA_BYTES_MAX: Final = 8 * KIB

CLASSIC_REPLY_BYTES_MAX: Final = 4 * MIB
"""What a gRPC client takes unless it was told otherwise; replies that are not paged end there."""

ITEM_BYTES_MAX: Final = 256 * KIB
"""What is larger goes by a call of its own, so that nothing in a pipeline waits long behind one item."""

STREAM_ITEMS_MAX: Final = 1024
STREAM_BYTES_MAX: Final = 8 * MIB
"""Unanswered, in one pipeline; then the daemon reads no further."""

BATCH_ITEMS_MAX: Final = 256
BATCH_BYTES_MAX: Final = 1 * MIB
"""Sent as one message, so that the first of it is begun while the rest is still being said."""

KEEPALIVE_S: Final = 10.0
KEEPALIVE_TIMEOUT_S: Final = 5.0
"""A peer that is silent for the first, and then for the second after a ping, is gone."""

SILENCE_S: Final = KEEPALIVE_S + KEEPALIVE_TIMEOUT_S
"""Nobody who is there is silent for so long."""
