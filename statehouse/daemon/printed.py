"""The effective settings as TOML that can be read again, with where each comes from beside it."""

from __future__ import annotations

from itertools import groupby

from statehouse._version import __version__
from statehouse.daemon.config import Configuration
from statehouse.daemon.settings import SETTINGS

__all__ = ["as_toml"]


def as_toml(configuration: Configuration) -> str:
    """Gives every setting in a line of TOML; one that is not set and has no default, in a comment."""
    parts = [f"# The settings of statehoused {__version__}, and where each comes from.\n"]
    for group, settings in groupby(SETTINGS, key=lambda setting: setting.group):
        rows = []
        for setting in settings:
            value = getattr(configuration.settings, setting.name)
            left = f"# {setting.name} =" if value is None else f"{setting.name} = {setting.kind.toml(value)}"
            rows.append((left, configuration.sources[setting.name]))
        width = max(len(left) for left, _ in rows)
        lines = "".join(f"{left:{width}}  # {source}\n" for left, source in rows)
        parts.append(f"# {group}\n{lines}")
    return "\n".join(parts)
