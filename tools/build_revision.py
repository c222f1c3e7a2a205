"""The build hook that tells a wheel or sdist which revision it was made from.

It adds ``statehouse/_build.py`` with ``REVISION``, the full commit, ending in ``-dirty`` if files differed
from it. A source tree has no such file: what it holds changes by the minute, and readers say ``unknown``.
A wheel built from an sdist keeps the sdist's.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "statehouse/_build.py"


class RevisionHook(BuildHookInterface[Any]):
    """Adds the file from a temporary place, so that a build leaves the source tree as it was."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds ``statehouse/_build.py`` unless this is an editable install or the sdist brought one."""
        root = Path(self.root)
        if version == "editable" or (root / TARGET).exists():
            build_data["artifacts"].append(f"/{TARGET}")
            return
        with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
            file.write(f'"""Written when this distribution was built."""\n\nREVISION = "{revision(root)}"\n')
        self._written = Path(file.name)
        build_data["force_include"][file.name] = TARGET

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes the temporary file."""
        written: Path | None = getattr(self, "_written", None)
        if written is not None:
            written.unlink(missing_ok=True)


def revision(root: Path) -> str:
    """Gives the commit that ``root`` is a working tree of, or ``unknown``."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # An unpacked sdist may lie inside somebody else's repository.
    if top is None or Path(top).resolve() != root.resolve():
        return "unknown"
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return "unknown"
    return f"{commit}-dirty" if _git(root, "status", "--porcelain") else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
