"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, and how busy it is.

    Attributes:
        cores: How many this process may use.
        python: The interpreter and its version.
        system: The operating system and architecture.
        rocksdict: The version of the RocksDB binding.
        statehouse: The version of ours.
        load: The load average of the last minute, when the run began.
    """

    cores: int
    python: str
    system: str
    rocksdict: str
    statehouse: str
    load: float

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, load {self.load:.2f} at the start, {self.python}, {self.system}, "
            f"rocksdict {self.rocksdict}, statehouse {self.statehouse}"
        )

    def as_json(self) -> dict[str, object]:
        """The same for machines."""
        return asdict(self)


def this_machine() -> Machine:
    """The machine that this runs on, as it is now."""
    affinity = getattr(os, "sched_getaffinity", None)
    return Machine(
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        rocksdict=importlib.metadata.version("rocksdict"),
        statehouse=importlib.metadata.version("statehouse"),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    )
