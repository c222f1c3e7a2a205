"""Which version this is, and from which revision it was built."""

from __future__ import annotations

from importlib import import_module

__version__ = "0.2.0"


def git_sha() -> str:
    """Gives the revision that this was built from; ``unknown`` when it runs from a working copy."""
    try:
        # Written by the build (tools/build_revision.py), so there is nothing to import it from here.
        return str(import_module("statehouse._build").REVISION)
    except ImportError:
        return "unknown"
