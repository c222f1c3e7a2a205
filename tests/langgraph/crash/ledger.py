"""What processes were told, written down outside the store before anything else happens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Ledger:
    """Lines of JSON that outlive the process that wrote them.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **row: Any) -> None:
        """Appends a row, whole."""
        line = (json.dumps(row) + "\n").encode()
        assert os.write(self._file, line) == len(line)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """The rows of a kind, of all processes, in order."""
        found = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [{**row, "at": at} for at, row in enumerate(found) if row["kind"] == kind]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
