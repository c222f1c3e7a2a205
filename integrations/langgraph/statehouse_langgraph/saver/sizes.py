"""What does not fit into a store, said in the words of a graph: its threads and its channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from statehouse import LimitExceededError
from statehouse.extend import Limits
from statehouse_langgraph.saver.records import WritesRecord
from statehouse_langgraph.serde import Typed

_INPUT: Final = "__start__"
_ADVICE: Final = (
    "keep what is large in a file or an object store, and its name in the state; or use several channels"
)


def check_values(values: Iterable[tuple[str, Typed | None]], limits: Limits) -> None:
    """Checks what channels hold.

    Raises:
        LimitExceededError: It is too large for one value of the store; the error names the channel.
    """
    for channel, value in values:
        if value is not None and len(value[1]) > limits.value_bytes_max:
            raise _too_large(f"{_called(channel)} holds", len(value[1]), limits)


def check_writes(record: WritesRecord, limits: Limits) -> None:
    """Checks what a task wrote, which is one value of the store.

    Raises:
        LimitExceededError: It is too large; the error names the channels, the largest first.
    """
    sizes: dict[str, int] = {}
    for each in record.writes:
        sizes[each.channel] = sizes.get(each.channel, 0) + len(each.value[1])
    # Names and the like are small beside it, and packing it twice is not.
    if 2 * sum(sizes.values()) > limits.value_bytes_max:
        size = len(record.payload().data)
        if size > limits.value_bytes_max:
            channels = ", ".join(map(repr, sorted(sizes, key=lambda channel: -sizes[channel])))
            raise _too_large(f"what a task wrote to {channels:.200} has", size, limits)


def _called(channel: str) -> str:
    return f"channel {channel!r:.200}" + (", the input of the graph," if channel == _INPUT else "")


def _too_large(what: str, size: int, limits: Limits) -> LimitExceededError:
    limit = limits.value_bytes_max
    return LimitExceededError(
        f"{what} {size} bytes; the limit is {limit} ({limit // 2**20} MiB): {_ADVICE}",
        limit=limit,
        actual=size,
    )
