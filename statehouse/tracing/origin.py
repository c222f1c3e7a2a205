"""The current origin: who is asking, and why, for every commit that does not say so itself.

It is a context variable, so it follows a thread's calls and an asyncio task, and what one task sets
another does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from statehouse.protocol.origin import NO_ORIGIN, Origin, check_origin

_current: ContextVar[Origin] = ContextVar("statehouse_origin", default=NO_ORIGIN)


def current_origin() -> Origin:
    """Gives the origin that a transaction begun now is stored under; an empty one outside `use_origin`."""
    return _current.get()


@contextmanager
def use_origin(origin: Origin) -> Iterator[Origin]:
    """Makes an origin the current one inside a ``with`` block.

    Args:
        origin: The origin; it replaces the outer one whole.

    Raises:
        InvalidArgumentError: A malformed id, or text with control characters.
        LimitExceededError: It is larger than 8 KiB.
    """
    check_origin(origin)
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)
