"""How much memory a process takes, as the operating system counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from statehouse.protocol.limits import KIB

measured = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
"""For tests that measure it."""


def resident_bytes(pid: int) -> int:
    """The bytes of a process that are in memory."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most bytes of a process that were in memory at once."""
    return _status(pid, "VmHWM")


def _status(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * KIB
    raise AssertionError(f"process {pid} has no {what}")
