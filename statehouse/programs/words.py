"""Text that is safe to show: on a terminal, and in a line of a log."""

from __future__ import annotations

__all__ = ["paragraph", "printable"]


def printable(text: str) -> str:
    """Gives a text with what is not printable as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def paragraph(text: str) -> str:
    """Gives a text in one line, with what is not printable as escapes."""
    return printable(" ".join(text.split()))
