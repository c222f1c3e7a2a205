"""Starting: opening a store that was killed, and importing the package."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.baselines.interpreters import seconds
from benchmarks.large import kept
from benchmarks.measure import Benchmark, Sides
from benchmarks.rows.reads import million
from benchmarks.workspace import Workspace, copy_store, size_bytes
from statehouse import Statehouse

_IMPORTS_PER_ROUND = 7
_ROOT = Path(__file__).parents[2]


@contextmanager
def _open_after_kill(workspace: Workspace) -> Iterator[Sides]:
    crowd = million(workspace)
    killed = kept(crowd, workspace)
    namespace, agent_id, key = crowd.name(crowd.records // 2)

    def ours() -> float:
        with workspace.directory("killed") as path:
            copy_store(killed, path)
            began = time.perf_counter()
            with Statehouse(f"file:{path}") as statehouse:
                statehouse.get_state(key, agent_id=agent_id, namespace=namespace)
                return time.perf_counter() - began

    log_bytes = sum(file.stat().st_size for file in (killed / "rocks").glob("*.log"))
    yield Sides(ours, notes=lambda: f"{size_bytes(killed):,} bytes, {log_bytes:,} of them in the log")


@contextmanager
def _imports(workspace: Workspace) -> Iterator[Sides]:
    runs = 2 if workspace.quick else _IMPORTS_PER_ROUND
    yield Sides(
        lambda: seconds("import statehouse", folder=_ROOT, runs=runs) * 1e3,
        lambda: seconds("import grpc", folder=_ROOT, runs=runs) * 1e3,
    )


ROWS = (
    Benchmark(
        "open-after-kill",
        "open and first read after kill -9, 1,000,000 events",
        "",
        "s",
        "lower",
        target=2,
        floor=5,
        prepare=_open_after_kill,
    ),
    Benchmark(
        "import",
        "import statehouse",
        "import grpc",
        "ms",
        "lower",
        target=1.5,
        floor=2.5,
        prepare=_imports,
    ),
)
