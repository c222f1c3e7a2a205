"""A module that only data names. Nobody should import it."""

from __future__ import annotations


def explode(*, message: str) -> str:
    """What runs when it is called."""
    return f"exploded: {message}"
