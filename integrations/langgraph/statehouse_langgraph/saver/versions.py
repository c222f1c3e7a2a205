"""Versions of channels: increasing, and never the same in two branches."""

from __future__ import annotations

import secrets


def next_version(current: str | float | None) -> str:
    """Gives the version after another one: 32 digits that count, a point, and 16 random ones.

    The random part keeps the values of two branches that were made from one checkpoint apart. Numbers, which
    other savers use, are continued.
    """
    if current is None:
        count = 0
    elif isinstance(current, str):
        count = int(current.split(".")[0])
    else:
        count = int(current)
    return f"{count + 1:032}.{secrets.randbelow(10**16):016}"
